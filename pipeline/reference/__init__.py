"""Convolutional networks in numpy alone, to be read: forward, backward, SGD, and int8 arithmetic.

Images are (N, H, W, C): sample, row, column, channel. Kernels of convolutions are
(kernel rows, kernel columns, C in, C out), as in Keras. A function `f` has its derivative beside
it as `f_backward`, which takes dL/d(output) first and returns dL/d(each input).

Nothing in the pipeline computes with it. Tests hold it against TensorFlow and TensorFlow Lite
Micro, and use `int8` as a second oracle; examples/reference_training.py trains networks with it.
"""
