"""Which traced functions XLA makes faster on the CPU."""

from typing import Any

import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.graphs import operation_types

# What XLA fuses into few passes over memory, and products of matrices. Not
# here: convolutions, which it makes twice as slow, pooling, loops, gathering
# and scattering.
_FASTER_WITH_XLA = operation_types(
    """
    Abs AddN AddV2 All Any BatchMatMulV2 BatchMatMulV3 BiasAdd
    BiasAddGrad BroadcastGradientArgs BroadcastTo Cast ConcatV2 Const
    Cos DivNoNan DynamicStitch Einsum Elu EluGrad Equal Erf Erfc Exp
    ExpandDims Expm1 Fill FloorDiv FloorMod Greater GreaterEqual
    Identity IdentityN InvertPermutation LeakyRelu LeakyReluGrad Less
    LessEqual Log Log1p LogSoftmax LogicalAnd LogicalNot LogicalOr
    MatMul Max Maximum Mean Min Minimum Mul MulNoNan Neg NoOp NotEqual
    OneHot OnesLike Pack Pad PadV2 Placeholder Pow PreventGradient Prod
    Range Rank ReadVariableOp RealDiv Reciprocal ReciprocalGrad Relu
    Relu6 Relu6Grad ReluGrad Reshape Rsqrt RsqrtGrad SelectV2 Selu
    SeluGrad Shape ShapeN Sigmoid SigmoidGrad Sign Sin Size Slice
    Softmax SoftmaxCrossEntropyWithLogits Softplus SoftplusGrad
    SparseSoftmaxCrossEntropyWithLogits Split Sqrt SqrtGrad Square
    SquaredDifference Squeeze StopGradient StridedSlice StridedSliceGrad
    Sub Sum Tanh TanhGrad Tile Transpose Unpack Xlogy ZerosLike
    """
)


def gains_from_fusion(function: Any) -> bool:
    """Whether XLA makes a function, and its derivatives, faster on the CPU.

    The answer follows from its operations alone, never from a measurement, so
    that the same function rounds the same way every time. It is for networks
    of dense layers and attention: of a small transformer, a product with the
    Hessian took 0.6 to 0.9 of the time.

    Args:
        function: TensorFlow concrete function.

    Returns:
        Bool.
    """
    return all(
        operation.type in _FASTER_WITH_XLA
        and all(tensor.dtype != tf.string for tensor in operation.outputs)
        for operation in function.graph.get_operations()
    )
