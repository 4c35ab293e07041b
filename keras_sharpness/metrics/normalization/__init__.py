"""BatchNormalization while a model is measured."""
