"""Public signatures have types: the package is marked as typed."""

import importlib
import inspect
import pkgutil

import pytest

import sskseg

PACKAGES = [f"sskseg.{part.name}" for part in pkgutil.iter_modules(sskseg.__path__) if part.ispkg]


def public_functions():
    """Functions, and public methods and constructors of classes, by name."""
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in module.__all__:
            thing = getattr(module, name)
            if inspect.isclass(thing):
                yield from methods(thing, f"{package}.{name}")
            elif inspect.isfunction(thing):
                yield f"{package}.{name}", thing


def methods(thing, name):
    for key, value in vars(thing).items():
        method = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        method = method.fget if isinstance(method, property) else method
        is_ours = inspect.isfunction(method) and method.__module__ == thing.__module__
        if is_ours and (key == "__init__" or not key.startswith("_")):
            yield f"{name}.{key}", method


FUNCTIONS = dict(public_functions())


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_signature_is_annotated(name):
    signature = inspect.signature(FUNCTIONS[name])
    missing = [
        parameter.name
        for parameter in signature.parameters.values()
        if parameter.annotation is parameter.empty and parameter.name not in ("self", "cls")
    ]
    if signature.return_annotation is signature.empty and not name.endswith("__init__"):
        missing.append("return")
    assert not missing
