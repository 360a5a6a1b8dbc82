"""Networks by name: one table from names to constructors, other libraries' networks, and the user's own functions."""

from collections.abc import Callable

from torch import nn

from studentsearch.models.cifar import densenet_bc, densenet_digits
from studentsearch.models.cross_layer import cross_layer_mobilenet, cross_layer_vgg
from studentsearch.models.libraries import library_of
from studentsearch.models.library import Sizes
from studentsearch.models.mobilenet import mobilenet, mobilenet_v2
from studentsearch.models.names import find_network, require_model_name, usual_registry_sizes
from studentsearch.models.python_function import build_from_python
from studentsearch.models.reference import parse_model
from studentsearch.models.resnet import cifar_resnet, imagenet_resnet
from studentsearch.models.vgg import vgg

_BUILDERS: dict[str, Callable[[tuple[int, ...], Sizes], nn.Module]] = {
    "densenet": lambda words, sizes: densenet_bc(
        depth=words[0], growth=words[1], num_classes=sizes.num_classes, in_channels=sizes.in_channels
    ),
    "densenet_digits": lambda _, sizes: densenet_digits(num_classes=sizes.num_classes, in_channels=sizes.in_channels),
    "resnet": lambda words, sizes: cifar_resnet(
        depth=words[0], num_classes=sizes.num_classes, in_channels=sizes.in_channels
    ),
    "resnet_b": lambda words, sizes: cifar_resnet(
        depth=words[0], num_classes=sizes.num_classes, in_channels=sizes.in_channels, has_projections=True
    ),
    "resnet_cifar": lambda words, sizes: imagenet_resnet(
        depth=words[0], num_classes=sizes.num_classes, in_channels=sizes.in_channels
    ),
    "vgg": lambda words, sizes: vgg(depth=words[0], num_classes=sizes.num_classes, in_channels=sizes.in_channels),
    "mobilenet": lambda _, sizes: mobilenet(
        num_classes=sizes.num_classes, in_channels=sizes.in_channels, image_size=sizes.image_size
    ),
    "mobilenetv2": lambda _, sizes: mobilenet_v2(
        num_classes=sizes.num_classes, in_channels=sizes.in_channels, image_size=sizes.image_size
    ),
    "cl_vgg": lambda words, sizes: cross_layer_vgg(
        depth=words[0], num_classes=sizes.num_classes, in_channels=sizes.in_channels
    ),
    "cl_mobilenet": lambda words, sizes: cross_layer_mobilenet(
        depth=words[0], num_classes=sizes.num_classes, in_channels=sizes.in_channels
    ),
}


def usual_sizes(name: str) -> Sizes:
    """What a network is usually built for: CIFAR-10 for most networks of small images, else what its library says.

    Args:
        name: Any model name.

    Returns:
        Classes and the image.
    """
    found = library_of(name)
    if found is not None:
        library, rest = found
        return library.usual_sizes(rest)
    return usual_registry_sizes(name)


def build_model(name: str, *, num_classes: int, in_channels: int = 3, image_size: int = 32) -> nn.Module:
    """The network of a name, with fresh weights.

    Args:
        name: A registry name (`densenet`, `resnet20`, ...), a library's (`torchvision:resnet18`, `timm:dla34`), or
            `python:module:function`: a function, found from the working directory too, that gives a network; it is
            called with `num_classes` and `in_channels` where it takes them by these names.
        num_classes: Logits, >= 1.
        in_channels: Channels of the image, >= 1.
        image_size: Shorter side of the images, for networks that are built differently for small ones.

    Returns:
        A network that takes `[B, in_channels, H, W]` and gives `[B, num_classes]`.

    Raises:
        UsageError: No such name, or a function that cannot be imported or gives no network.
    """
    sizes = Sizes(num_classes=num_classes, in_channels=in_channels, image_size=image_size)
    if parse_model(name).kind == "function":
        return build_from_python(name, sizes)
    found = library_of(name)
    if found is not None:
        library, rest = found
        return library.build(rest, sizes)
    require_model_name(name)
    network = find_network(name)
    assert network is not None  # what is no registry name was refused, or built above
    return _BUILDERS[network.family.key](network.words, sizes)
