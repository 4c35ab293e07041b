"""Embeddings, masks, recurrent layers and attention.

Most recurrent layers are unrolled: TensorFlow takes seconds to differentiate a
loop twice. Two are not.
"""

import keras
import numpy as np
from keras import layers

from tests.zoo.case import Case, classes, cross_entropy, normal, stack, zoo


def tokens(length=3):
    """Words 1 to 6; the ends are padded with zeros, as masks want it."""
    words = classes(6, length) + 1
    for row, size in zip(words, np.arange(len(words)) % length, strict=True):
        row[size + 1 :] = 0
    return words


@zoo
def embedding():
    model = stack(
        (3,),
        layers.Embedding(7, 3),
        layers.GlobalAveragePooling1D(),
        layers.Dense(3),
        loss=cross_entropy(),
    )
    return Case(model, (tokens(), classes(3)))


@zoo
def reversible_embedding():
    """Its weights look up words and score them."""
    inputs = keras.Input((3,), dtype="int32")
    table = layers.ReversibleEmbedding(7, 3)
    hidden = layers.Dense(3, "tanh")(table(inputs))
    model = keras.Model(inputs, table(hidden, reverse=True))
    model.compile(loss=cross_entropy())
    return Case(model, (tokens(), tokens()))


@zoo
def masked_lstm():
    model = stack(
        (3,),
        layers.Embedding(7, 3, mask_zero=True),
        layers.LSTM(3),
        layers.Dense(2),
        loss=cross_entropy(),
    )
    return Case(model, (tokens(), classes(2)))


@zoo
def masked_gru_with_a_loss_per_step():
    model = stack(
        (3, 2),
        layers.Masking(),
        layers.GRU(
            3, return_sequences=True, recurrent_dropout=0.2, unroll=True
        ),
        layers.TimeDistributed(layers.Dense(2)),
    )
    x = normal(3, 2) * (tokens() > 0)[..., None]
    return Case(model, (x, normal(3, 2)))


@zoo
def simple_rnn():
    model = stack(
        (3, 2),
        layers.SimpleRNN(3, return_sequences=True, unroll=True),
        layers.SimpleRNN(2),
    )
    return Case(model, (normal(3, 2), normal(2)))


@zoo
def stateful_gru():
    inputs = keras.Input(batch_shape=(4, 3, 2))
    outputs = layers.GRU(3, reset_after=False, stateful=True, unroll=True)(
        inputs
    )
    model = keras.Model(inputs, outputs)
    model.compile(loss="mse")
    return Case(model, (normal(3, 2), normal(3)), {"batch_size": 4})


@zoo
def bidirectional():
    model = stack(
        (2, 2),
        layers.Bidirectional(
            layers.LSTM(2, return_sequences=True, unroll=True)
        ),
        layers.Bidirectional(layers.GRU(2, unroll=True), merge_mode="sum"),
    )
    return Case(model, (normal(2, 2), normal(2)))


@zoo
def stacked_cells():
    cells = [layers.LSTMCell(2), layers.GRUCell(3), layers.SimpleRNNCell(2)]
    model = stack((2, 2), layers.RNN(cells, unroll=True))
    return Case(model, (normal(2, 2), normal(2)))


@zoo
def convolutional_lstm():
    model = stack(
        (2, 4, 4, 1),
        layers.ConvLSTM2D(2, 3, padding="same", unroll=True),
        layers.GlobalAveragePooling2D(),
    )
    return Case(model, (normal(2, 4, 4, 1), normal(2)))


@zoo
def transformer_block():
    words = keras.Input((3,), dtype="int32")
    hidden = layers.Embedding(7, 4, mask_zero=True)(words)
    attention = layers.MultiHeadAttention(2, 2, dropout=0.1)
    hidden = layers.LayerNormalization()(
        hidden + attention(hidden, hidden, use_causal_mask=True)
    )
    wide = layers.Dense(6, "gelu")(hidden)
    hidden = layers.LayerNormalization()(hidden + layers.Dense(4)(wide))
    model = keras.Model(words, layers.Dense(7)(hidden))
    model.compile(loss=cross_entropy())
    return Case(model, (tokens(), classes(7, 3)))


@zoo
def grouped_query_attention():
    inputs = keras.Input((4, 6))
    hidden = layers.GroupQueryAttention(3, 4, 2)(inputs, inputs)
    model = keras.Model(inputs, layers.RMSNormalization()(hidden))
    model.compile(loss="mse")
    return Case(model, (normal(4, 6), normal(4, 6)))


@zoo
def plain_attention():
    inputs = keras.Input((4, 3))
    keys, values = layers.Dense(3)(inputs), layers.Dense(3, "tanh")(inputs)
    dot = layers.Attention(use_scale=True, score_mode="concat")
    hidden = dot([inputs, values, keys]) + layers.AdditiveAttention()(
        [keys, values]
    )
    model = keras.Model(inputs, layers.Flatten()(hidden))
    model.compile(loss="mse")
    return Case(model, (normal(4, 3), normal(12)))


@zoo
def einsum():
    model = stack(
        (4, 3),
        layers.EinsumDense("abc,cd->abd", (4, 5), activation="swish"),
        layers.Flatten(),
        layers.Dense(2),
    )
    return Case(model, (normal(4, 3), normal(2)))
