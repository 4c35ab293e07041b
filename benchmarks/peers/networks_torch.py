"""The networks of the comparison in PyTorch, with Keras' names and weights.

Every module is called as the Keras layer, so that weights are copied by name.
"""

import math

import torch
from torch import nn
from torch.nn import functional

# Keras' default; PyTorch's is 1e-5.
BATCH_NORM_EPSILON = 1e-3


class F1(nn.Module):
    """The fully connected network for MNIST."""

    def __init__(self):
        super().__init__()
        for layer in range(1, 6):
            _add_dense(self, f"dense_{layer}", 784 if layer == 1 else 512, 512)
        self.logits = nn.Linear(512, 10)

    def forward(self, x):
        """The logits of a batch."""
        x = x.flatten(1)
        for layer in range(1, 6):
            x = _normalized_relu(self, f"dense_{layer}", x)
        return self.logits(x)


class C1(nn.Module):
    """The small convolutional network for CIFAR-10."""

    def __init__(self):
        super().__init__()
        _add_convolution(self, "conv_1", 3, 64, 5, bias=True)
        _add_convolution(self, "conv_2", 64, 64, 5, bias=True)
        _add_dense(self, "dense_1", 4096, 384)
        # What Keras flattens: (height, width, channels).
        self.dense_1.flattened = (8, 8, 64)
        _add_dense(self, "dense_2", 384, 192)
        self.logits = nn.Linear(192, 10)

    def forward(self, x):
        """The logits of a batch."""
        for layer in (1, 2):
            x = _normalized_relu(self, f"conv_{layer}", x)
            # Keras' "same" pads right and below only, as `ceil_mode` does.
            x = functional.max_pool2d(x, 3, stride=2, ceil_mode=True)
        x = x.flatten(1)
        for layer in (1, 2):
            x = _normalized_relu(self, f"dense_{layer}", x)
        return self.logits(x)


class ResNet(nn.Module):
    """A residual network of three blocks."""

    def __init__(self):
        super().__init__()
        _add_convolution(self, "stem", 3, 16)
        before = 16
        for block, filters in enumerate((16, 32, 64), 1):
            name, stride = f"block_{block}", 1 if block == 1 else 2
            _add_convolution(
                self, f"{name}_first", before, filters, stride=stride
            )
            _add_convolution(self, f"{name}_second", filters, filters)
            if stride > 1:
                _add_convolution(
                    self, f"{name}_shortcut", before, filters, 1, stride=stride
                )
            before = filters
        self.logits = nn.Linear(64, 10)

    def forward(self, x):
        """The logits of a batch."""
        x = _normalized_relu(self, "stem", x)
        for block in (1, 2, 3):
            name = f"block_{block}"
            y = _normalized_relu(self, f"{name}_first", x)
            y = _normalized(self, f"{name}_second", y)
            if block > 1:
                x = _normalized(self, f"{name}_shortcut", x)
            x = functional.relu(x + y)
        return self.logits(x.mean((2, 3)))


class Transformer(nn.Module):
    """Two encoder blocks over short sequences."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Linear(16, 64)
        self.position = _Position()
        for block in (1, 2):
            name = f"block_{block}"
            self.add_module(f"{name}_attention_normalization", _layer_norm())
            self.add_module(f"{name}_attention", _Attention(64, 4))
            self.add_module(f"{name}_dense_normalization", _layer_norm())
            self.add_module(f"{name}_expand", nn.Linear(64, 256))
            self.add_module(f"{name}_contract", nn.Linear(256, 64))
        self.normalization = _layer_norm()
        self.logits = nn.Linear(64, 10)

    def forward(self, x):
        """The logits of a batch."""
        x = self.position(self.embedding(x))
        for block in (1, 2):
            part = {
                name: getattr(self, f"block_{block}_{name}")
                for name in (
                    "attention_normalization",
                    "attention",
                    "dense_normalization",
                    "expand",
                    "contract",
                )
            }
            x = x + part["attention"](part["attention_normalization"](x))
            y = part["expand"](part["dense_normalization"](x))
            x = x + part["contract"](functional.gelu(y))
        return self.logits(self.normalization(x).mean(1))


class _Position(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Parameter(torch.zeros(49, 64))

    def forward(self, x):
        return x + self.embedding


class _Attention(nn.Module):
    """By hand: PyTorch's fused attention has no second derivative."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        for name in ("query", "key", "value", "attention_output"):
            self.add_module(name, nn.Linear(width, width))

    def forward(self, x):
        samples, tokens, width = x.shape
        query, key, value = (
            layer(x).view(samples, tokens, self.heads, -1).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        scores = query @ key.transpose(2, 3) / math.sqrt(width // self.heads)
        mixed = torch.softmax(scores, -1) @ value
        return self.attention_output(
            mixed.transpose(1, 2).reshape(samples, tokens, width)
        )


NETWORKS = {
    "f1": F1,
    "c1": C1,
    "resnet": ResNet,
    "transformer": Transformer,
}
_BATCH_NORM = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}
_KERAS_NAMES = {
    nn.Linear: {"weight": "kernel", "bias": "bias"},
    nn.Conv2d: {"weight": "kernel", "bias": "bias"},
    nn.LayerNorm: {"weight": "gamma", "bias": "beta"},
    nn.BatchNorm1d: _BATCH_NORM,
    nn.BatchNorm2d: _BATCH_NORM,
    _Position: {"embedding": "embedding"},
}


def keras_tensors(model):
    """The path of the Keras variable -> (module, name of the tensor)."""
    return {
        f"{name.replace('.', '/')}/{path}": (module, tensor)
        for name, module in model.named_modules()
        for tensor, path in _KERAS_NAMES.get(type(module), {}).items()
        if getattr(module, tensor) is not None
    }


def from_keras(module, array):
    """An array of a Keras variable as PyTorch's tensor of that module."""
    array = torch.as_tensor(array)
    if isinstance(module, nn.Conv2d) and array.ndim == 4:
        return array.permute(3, 2, 0, 1).contiguous()
    if isinstance(module, nn.Linear):
        # Attention's kernels have an axis of heads.
        if array.numel() == module.bias.numel():
            return array.reshape(-1)
        if hasattr(module, "flattened"):
            array = array.reshape(*module.flattened, -1).permute(2, 0, 1, 3)
        return array.reshape(module.in_features, -1).T.contiguous()
    return array


def _add_dense(model, name, inputs, units):
    model.add_module(name, nn.Linear(inputs, units))
    model.add_module(
        f"{name}_normalization",
        nn.BatchNorm1d(units, eps=BATCH_NORM_EPSILON),
    )


def _add_convolution(
    model, name, inputs, filters, kernel_size=3, stride=1, bias=False
):
    model.add_module(
        name,
        nn.Conv2d(
            inputs,
            filters,
            kernel_size,
            stride=stride,
            padding=kernel_size // 2,
            bias=bias,
        ),
    )
    model.add_module(
        f"{name}_normalization",
        nn.BatchNorm2d(filters, eps=BATCH_NORM_EPSILON),
    )


def _layer_norm():
    return nn.LayerNorm(64, eps=1e-5)


def _normalized(model, name, x):
    x = getattr(model, name)(x)
    return getattr(model, f"{name}_normalization")(x)


def _normalized_relu(model, name, x):
    return functional.relu(_normalized(model, name, x))
