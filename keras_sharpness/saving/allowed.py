"""What may be named in the configuration of a model file.

Each name is the one under which Keras saves a class: public classes by their
public module, operations of functional models by their file.
"""


def word_set(words: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(words.split())


# Configurations of these carry code, or name what loading would fetch and run.
CODE_CLASSES = word_set(
    "FlaxLayer JaxLayer Lambda TFSMLayer TorchModuleWrapper __lambda__"
)
# These read files, or have no gradient to speak of.
FILE_CLASSES = word_set(
    "HashedCrossing Hashing IntegerLookup StringLookup TextVectorization"
)
# What Keras writes for values that JSON has no word for.
PLAIN_CLASSES = word_set("__ellipsis__ __keras_tensor__ __slice__")
CONSTANT_CLASSES = word_set("__bytes__ __numpy__ __tensor__ __typespec__")

# Each by the module that files name, the first version's and today's.
NETWORKS = {
    (f"keras_sharpness.models.{module}", name): f"keras_sharpness>{name}"
    for name in ("F1", "F2", "C1", "C2", "C3", "C4", "S1")
    for module in (name.lower(), "networks")
}
# The rest of the models; only these can be the whole of a file.
MODELS = {
    ("keras", "Sequential"),
    ("keras.src.models.functional", "Functional"),
}

LAYERS = word_set(
    """
    Activation ActivityRegularization AdaptiveAveragePooling1D
    AdaptiveAveragePooling2D AdaptiveAveragePooling3D AdaptiveMaxPooling1D
    AdaptiveMaxPooling2D AdaptiveMaxPooling3D Add AdditiveAttention
    AlphaDropout Attention AugMix AutoContrast Average AveragePooling1D
    AveragePooling2D AveragePooling3D BatchNormalization Bidirectional
    CategoryEncoding CenterCrop Concatenate
    ContrastLimitedAdaptiveHistogramEqualization Conv1D Conv1DTranspose Conv2D
    Conv2DTranspose Conv3D Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D
    Cropping1D Cropping2D Cropping3D CutMix Dense DepthwiseConv1D
    DepthwiseConv2D Discretization Dot Dropout ELU EinsumDense Embedding
    Equalization Flatten GRU GRUCell GaussianDropout GaussianNoise
    GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D
    GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D
    GroupNormalization GroupQueryAttention Identity InputLayer LSTM LSTMCell
    LayerNormalization LeakyReLU Masking MaxNumBoundingBoxes MaxPooling1D
    MaxPooling2D MaxPooling3D Maximum MelSpectrogram Minimum MixUp
    MultiHeadAttention Multiply Normalization PReLU Permute Pipeline
    RMSNormalization RNN RandAugment RandomBrightness RandomColorDegeneration
    RandomColorJitter RandomContrast RandomCrop RandomElasticTransform
    RandomErasing RandomFlip RandomGaussianBlur RandomGrayscale RandomHue
    RandomInvert RandomPerspective RandomPosterization RandomRotation
    RandomSaturation RandomSharpness RandomShear RandomTranslation RandomZoom
    ReLU RepeatVector Rescaling Reshape Resizing ReversibleEmbedding
    STFTSpectrogram SeparableConv1D SeparableConv2D SimpleRNN SimpleRNNCell
    Softmax Solarization SpatialDropout1D SpatialDropout2D SpatialDropout3D
    SpectralNormalization StackedRNNCells Subtract TimeDistributed
    UnitNormalization UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D
    ZeroPadding2D ZeroPadding3D
    """
)

CLASSES = {
    "keras": word_set("DTypePolicy FloatDTypePolicy"),
    "keras._legacy.layers": word_set("ThresholdedReLU"),
    "keras.constraints": word_set("MaxNorm MinMaxNorm NonNeg UnitNorm"),
    # Not the quantized ones: integers have no gradient.
    "keras.dtype_policies": word_set(
        "DTypePolicy DTypePolicyMap FloatDTypePolicy"
    ),
    "keras.initializers": word_set(
        """
        Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity
        LecunNormal LecunUniform Ones Orthogonal RandomNormal RandomUniform
        STFT TruncatedNormal VarianceScaling Zeros
        """
    ),
    "keras.layers": LAYERS,
    "keras.losses": word_set(
        """
        BinaryCrossentropy BinaryFocalCrossentropy CTC CategoricalCrossentropy
        CategoricalFocalCrossentropy CategoricalGeneralizedCrossEntropy
        CategoricalHinge Circle CosineSimilarity Dice Hinge Huber KLDivergence
        LogCosh MeanAbsoluteError MeanAbsolutePercentageError MeanSquaredError
        MeanSquaredLogarithmicError Poisson SparseCategoricalCrossentropy
        SquaredHinge Tversky
        """
    ),
    "keras.metrics": word_set(
        """
        AUC Accuracy BinaryAccuracy BinaryCrossentropy BinaryIoU
        CategoricalAccuracy CategoricalCrossentropy CategoricalHinge
        ConcordanceCorrelation CosineSimilarity F1Score FBetaScore
        FalseNegatives FalsePositives Hinge IoU KLDivergence LogCoshError Mean
        MeanAbsoluteError MeanAbsolutePercentageError MeanIoU
        MeanMetricWrapper MeanSquaredError MeanSquaredLogarithmicError
        OneHotIoU OneHotMeanIoU PearsonCorrelation Poisson Precision
        PrecisionAtRecall R2Score Recall RecallAtPrecision
        RootMeanSquaredError SensitivityAtSpecificity
        SparseCategoricalAccuracy SparseCategoricalCrossentropy
        SparseTopKCategoricalAccuracy SpecificityAtSensitivity SquaredHinge Sum
        TopKCategoricalAccuracy TrueNegatives TruePositives
        """
    ),
    "keras.optimizers": word_set(
        """
        Adadelta Adafactor Adagrad Adam AdamW Adamax Ftrl Lamb Lion
        LossScaleOptimizer Muon Nadam RMSprop SGD ScheduleFreeAdamW
        """
    ),
    "keras.optimizers.schedules": word_set(
        """
        CosineDecay CosineDecayRestarts ExponentialDecay InverseTimeDecay
        PiecewiseConstantDecay PolynomialDecay
        """
    ),
    "keras.regularizers": word_set("L1 L1L2 L2 OrthogonalRegularizer"),
    # `keras.ops` on the inputs of a functional model, e.g. `x + y`. Without
    # those that take a function.
    "keras.src.ops.core": word_set(
        """
        Cast ConvertToTensor SaturateCast Scatter ScatterUpdate Slice
        SliceUpdate StopGradient Unstack
        """
    ),
    "keras.src.ops.einops": word_set("Rearrange"),
    "keras.src.ops.image": word_set(
        """
        AffineTransform CropImages ElasticTransform ExtractPatches
        GaussianBlur HSVToRGB MapCoordinates PadImages PerspectiveTransform
        RGBToGrayscale RGBToHSV Resize SSIM ScaleAndTranslate SobelEdges
        """
    ),
    "keras.src.ops.linalg": word_set(
        """
        Cholesky CholeskyInverse Det Eig Eigh Inv Lstsq LuFactor MatrixRank
        Norm Pinv Qr SVD Solve SolveTriangular
        """
    ),
    "keras.src.ops.math": word_set(
        """
        CDist Erf Erfc Erfinv ExtractSequences FFT FFT2 IFFT2 IRFFT ISTFT
        InTopK Logdet Logsumexp RFFT Rsqrt STFT SegmentMax SegmentMin
        SegmentProd SegmentSum TopK ViewAsComplex ViewAsReal
        """
    ),
    "keras.src.ops.nn": word_set(
        """
        AdaptiveAveragePool AdaptiveMaxPool AveragePool BatchNorm
        BinaryCrossentropy CategoricalCrossentropy Celu Conv ConvTranspose
        DepthToSpace DepthwiseConv DotProductAttention Elu Fold Gelu Glu
        HardShrink HardSigmoid HardSilu HardTanh LayerNorm LeakyRelu
        LogSigmoid LogSoftmax MaxPool Moments MultiHot Normalize OneHot PSNR
        Polar RMSNorm Relu Relu6 Selu SeparableConv Sigmoid Silu SoftShrink
        Softmax Softplus Softsign SpaceToDepth SparseCategoricalCrossentropy
        SparsePlus SparseSigmoid Sparsemax Squareplus TanhShrink Threshold
        Unfold
        """
    ),
    "keras.src.ops.numpy": word_set(
        """
        Abs Absolute Add All AllClose Amax Amin Angle Any Append Arange Arccos
        Arccosh Arcsin Arcsinh Arctan Arctan2 Arctanh Argmax Argmin
        Argpartition Argsort Array ArraySplit Average Bincount BitwiseAnd
        BitwiseInvert BitwiseLeftShift BitwiseNot BitwiseOr BitwiseRightShift
        BitwiseXor BroadcastTo Cbrt Ceil Clip Concatenate Conj Conjugate Copy
        Corrcoef Correlate Cos Cosh CountNonzero Cross Cumprod Cumsum Deg2rad
        Diag Diagflat Diagonal Diff Digitize Divide DivideNoNan Dot Dsplit
        Dstack Einsum EmptyLike Equal Exp Exp2 ExpandDims Expm1 Fabs Flip
        Fliplr Flipud Floor FloorDivide Fmax Fmin Fmod Full FullLike Gcd
        Geomspace GetItem Greater GreaterEqual Heaviside Histogram Hsplit
        Hstack Hypot I0 Imag Inner IsIn Isclose Isfinite Isinf Isnan Isneginf
        Isposinf Isreal Kron Lcm Ldexp LeftShift Less LessEqual Linspace Log
        Log10 Log1p Log2 Logaddexp Logaddexp2 LogicalAnd LogicalNot LogicalOr
        LogicalXor Logspace Matmul Max Maximum Mean Median Meshgrid Min
        Minimum Mod Moveaxis Multiply NanToNum Nanargmax Nanargmin Nancumprod
        Nancumsum Nanmax Nanmean Nanmedian Nanmin Nanpercentile Nanprod
        Nanquantile Nanstd Nansum Nanvar Ndim Negative Nextafter Nonzero
        NotEqual OnesLike Outer Pad Percentile Power Prod Ptp Quantile Rad2deg
        Ravel Real Reciprocal Repeat Reshape RightShift Roll Rot90 Round
        SearchSorted Select Sign Signbit Sin Sinc Sinh Size Slogdet Sort Split
        Sqrt Square Squeeze Stack Std Subtract Sum Swapaxes Take TakeAlongAxis
        Tan Tanh Tensordot Tile Trace Transpose Trapezoid Tril Triu TrueDivide
        Trunc Unique UnravelIndex Vander Var Vdot View Vsplit Vstack Where
        ZerosLike
        """
    ),
}

# Functions by the module that Keras writes for them.
_ACTIVATIONS = word_set(
    """
    celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_tanh
    leaky_relu linear log_sigmoid log_softmax mish relu relu6 selu sigmoid silu
    soft_shrink softmax softplus softsign sparse_plus sparse_sigmoid sparsemax
    squareplus tanh tanh_shrink threshold
    """
)
_LOSSES = word_set(
    """
    categorical_generalized_cross_entropy circle cosine_similarity ctc dice
    huber log_cosh tversky
    """
)
_METRICS = word_set(
    """
    binary_accuracy binary_crossentropy binary_focal_crossentropy
    categorical_accuracy categorical_crossentropy
    categorical_focal_crossentropy categorical_hinge concordance_correlation
    hinge kl_divergence mean_absolute_error mean_absolute_percentage_error
    mean_squared_error mean_squared_logarithmic_error pearson_correlation
    poisson sparse_categorical_accuracy sparse_categorical_crossentropy
    sparse_top_k_categorical_accuracy squared_hinge top_k_categorical_accuracy
    """
)
FUNCTIONS = {
    "builtins": _ACTIVATIONS | _LOSSES | _METRICS,
    "keras.activations": _ACTIVATIONS,
    "keras.losses": _LOSSES,
    "keras.metrics": _METRICS,
}
