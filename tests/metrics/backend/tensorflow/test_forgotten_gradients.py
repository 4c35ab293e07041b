"""Nothing of a traced graph stays when its objective is gone."""

import gc
import weakref

import keras
import numpy as np

from keras_sharpness import Objective


def test_the_graphs_of_an_objective_are_freed():
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            keras.layers.Conv2D(2, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dense(3, "softmax"),
        ]
    )
    x, y = np.ones((8, 6, 6, 1), "float32"), np.arange(8) % 3
    loss = "sparse_categorical_crossentropy"
    objective = Objective(model, x, y, loss=loss, keep_activations=True)
    objective.evaluate()
    objective.gradient()
    objective.hessian_product(np.ones((objective.size, 2)))
    graphs = [
        weakref.ref(found)
        for found in gc.get_objects()
        if type(found).__name__ == "FuncGraph"
        and found.name == "at_present_point"
    ]
    assert graphs
    before = sum(graph() is not None for graph in graphs)
    del objective
    gc.collect()
    # Those of other tests in this process may live on.
    alive = sum(graph() is not None for graph in graphs)
    assert before - alive >= 3
