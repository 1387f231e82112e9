"""The registry of architectures: names and parameters are checked before anything is built."""

import numpy as np
import pytest

from pipeline import models
from pipeline.errors import SpecError


def test_an_unknown_model_names_the_nearest():
    with pytest.raises(SpecError, match='"sepconv_minst" is unknown; did you mean "sepconv_mnist"'):
        models.model("sepconv_minst")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_pool": 1}, 'no parameter "max_pool"; did you mean "max_pools"'),
        ({"max_pools": 3}, "max_pools = 3 is not one of 1, 2"),
        ({"max_pools": True}, "max_pools = true is not of type int"),
        ({"dense_units": 0}, "dense_units = 0 is below 1"),
        ({"dense_units": 32.0}, r"dense_units = 32\.0 is not of type int"),
        ({"padding": "SAME"}, 'padding = "SAME" is not one of "same", "valid"'),
    ],
)
def test_a_bad_parameter_is_refused(values, message):
    with pytest.raises(SpecError, match=message):
        models.parse_parameters(models.model("sepconv_mnist"), values)


def test_every_parameter_is_documented_and_its_default_is_valid():
    for definition in models.models().values():
        defaults = {entry.name: entry.default for entry in definition.parameter_list()}
        assert models.parse_parameters(definition, defaults) == definition.parameters()
        assert all(entry.help for entry in definition.parameter_list())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"alpha": 0}, "alpha = 0 is not above 0"),
        ({"alpha": float("nan")}, "alpha = nan is not a finite number"),
        ({"blocks": 14}, "blocks = 14 is not one of 1, 2, 3"),
    ],
)
def test_a_width_multiplier_is_a_positive_number(values, message):
    with pytest.raises(SpecError, match=message):
        models.parse_parameters(models.model("mobilenet_v1"), values)


def built(name, values, image_shape, classes):
    from pipeline.training.tensorflow_setup import tensorflow

    tensorflow()
    definition = models.model(name)
    parameters = models.parse_parameters(definition, values)
    return definition.build(parameters, image_shape, classes)


@pytest.mark.training
@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("linear_mnist", {}, 7_850),  # the course's M1
        ("mlp1_mnist", {}, 25_450),  # M2
        ("mlp2_mnist", {}, 26_506),  # M3
        ("conv_mnist", {}, 13_570),  # M4
        ("conv_mnist", {"padding": "valid"}, 7_426),
        ("sepconv_mnist", {}, 6_767),  # M5
        ("sepconv_mnist", {"padding": "valid"}, 3_695),  # 5 * 5 * 4 inputs to dense
        ("sepconv_mnist", {"max_pools": 1}, 25 + 108 + (14 * 14 * 4 * 32 + 32) + 330),
        ("mobilenet_v1", {"blocks": 7}, 40_106),
        (  # stem, two Fire modules by hand, head
            "squeezenet",
            {"fire_modules": 2},
            (9 * 16 + 16)
            + (16 * 4 + 4 + 4 * 16 + 16 + 36 * 16 + 16)
            + (32 * 4 + 4 + 4 * 16 + 16 + 36 * 16 + 16)
            + (32 * 10 + 10),
        ),
        ("squeezenet", {}, 8_386),
    ],
)
def test_models_for_digits_have_the_published_number_of_parameters(name, values, expected):
    network = built(name, values, (28, 28, 1), 10)
    assert network.count_params() == expected
    assert (network.input_shape, network.output_shape) == ((None, 28, 28, 1), (None, 10))


@pytest.mark.training
@pytest.mark.parametrize(("alpha", "size", "classes"), [(1.0, 224, 1000), (0.25, 96, 2)])
def test_mobilenet_v1_is_that_of_keras(alpha, size, classes):
    network = built("mobilenet_v1", {"alpha": alpha}, (size, size, 3), classes)
    from tf_keras.applications import MobileNet
    from tf_keras.layers import Conv2D

    published = MobileNet((size, size, 3), alpha=alpha, weights=None, classes=classes)
    assert network.count_params() == published.count_params()

    def convolutions(model):
        found = [layer for layer in model.layers if isinstance(layer, Conv2D)]
        return [(layer.output_shape[1:], layer.strides, layer.kernel_size) for layer in found]

    *hidden, _classes = convolutions(published)  # where this one has a dense layer
    assert convolutions(network) == hidden
    if alpha == 1.0:  # Keras's documentation and the paper (4.2 million)
        assert network.count_params() == 4_253_864
    else:
        assert network.count_params() == 219_058


@pytest.mark.training
def test_squeezenet_has_the_authors_number_of_parameters():
    # torchvision.models.squeezenet1_1 documents 1235496.
    network = built("squeezenet", {"alpha": 1, "fire_modules": 8}, (224, 224, 3), 1000)
    assert network.count_params() == 1_235_496


@pytest.mark.training
@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        # LeCun et al. 1998 without trainable subsampling and with 10 dense outputs.
        ("lenet5", {}, 156 + 1_516 + 48_120 + 10_164 + 850),
        ("lenet5", {"connections": "full"}, 61_706),
        (
            "sepconv_slim_mnist",
            {"second_filters": 16, "third_filters": 32},
            72 + (72 + 128) + (144 + 512) + 4 * (8 + 16 + 32) + (3 * 3 * 32 * 10 + 10),
        ),
        ("dilated_mnist", {}, 80 + 584 + 584 + (7 * 7 * 8 * 10 + 10)),
        (
            "vgg_mini",
            {},
            (80 + 584) + (1_168 + 2_320) + (4_640 + 9_248) + (288 * 64 + 64) + (64 * 10 + 10),
        ),
        (  # stem, blocks from 16 and from 60 channels: 1x1; 1x1, 3x3; 1x1, 5x5; pool, 1x1
            "inception_mini",
            {},
            160
            + sum(
                (c + 1) * 16
                + ((c + 1) * 16 + (9 * 16 + 1) * 24)
                + ((c + 1) * 4 + (25 * 4 + 1) * 12)
                + (c + 1) * 8
                for c in (16, 60)
            )
            + 61 * 10,
        ),
        (  # naive: 52 channels of convolutions and all that entered
            "inception_mini",
            {"reduction": False},
            160
            + sum((c + 1) * 16 + (9 * c + 1) * 24 + (25 * c + 1) * 12 for c in (16, 68))
            + 121 * 10,
        ),
    ],
)
def test_further_models_for_digits_have_the_parameters_counted_by_hand(name, values, expected):
    network = built(name, values, (28, 28, 1), 10)
    assert network.count_params() == expected
    assert network.output_shape == (None, 10)


@pytest.mark.training
@pytest.mark.parametrize(
    ("name", "published", "trainable"),
    [
        ("resnet8", 78_666, 78_186),
        ("ds_cnn", 24_908, 23_756),
        ("autoencoder", 269_992, 267_928),
    ],
)
def test_models_of_mlperf_tiny_have_the_reference_implementations_parameters(
    name, published, trainable
):
    definition = models.model(name)
    network = built(name, {}, definition.image_shape, definition.classes)
    assert network.count_params() == published
    assert sum(int(np.prod(weight.shape)) for weight in network.trainable_weights) == trainable


@pytest.mark.training
def test_c3_of_lenet5_is_connected_as_in_the_paper():
    network = built("lenet5", {}, (28, 28, 1), 10)
    c3 = network.get_layer("c3")
    assert c3.count_params() == 1_516
    # Each map of S2 alone, at one place: which maps of C3 answer (table I, row by row).
    seen = []
    for entering in range(6):
        image = np.zeros((1, 5, 5, 6), np.float32)
        image[0, 2, 2, entering] = 1
        c3.set_weights([np.ones_like(c3.get_weights()[0]), np.zeros(16, np.float32)])
        answers = c3(image).numpy().ravel()
        seen.append("".join("X" if answer else "." for answer in answers))
    assert seen == [
        "X...XXX..XXXX.XX",
        "XX...XXX..XXXX.X",
        "XXX...XXX..X.XXX",
        ".XXX..XXXX..X.XX",
        "..XXX..XXXX.XX.X",
        "...XXX..XXXX.XXX",
    ]


@pytest.mark.training
@pytest.mark.parametrize(
    ("name", "whole", "published", "parameters"),
    [
        (
            "mobilenet_v2",
            {"alpha": 1.0, "stages": 7, "head_filters": 1280, "stem_stride": 2},
            "MobileNetV2",
            3_538_984,
        ),
        (
            "mobilenet_v3",
            {"alpha": 1.0, "blocks": 11, "head_units": 1024, "stem_stride": 2},
            "MobileNetV3Small",
            2_554_968,
        ),
    ],
)
def test_mobilenets_at_full_size_are_those_of_keras(name, whole, published, parameters):
    network = built(name, whole, (224, 224, 3), 1000)
    import tf_keras

    reference = getattr(tf_keras.applications, published)((224, 224, 3), weights=None)
    assert network.count_params() == reference.count_params() == parameters

    def sums(model):
        layers = tf_keras.layers
        return [
            (type(layer).__name__, layer.output_shape[1:], layer.kernel_size, layer.strides)
            for layer in model.layers
            if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D)
        ]

    hidden = sums(network)
    assert hidden == sums(reference)[: len(hidden)]  # behind them, dense layers stand for 1x1
    assert len(sums(reference)) - len(hidden) == {"mobilenet_v2": 0, "mobilenet_v3": 2}[name]
