"""A model's definition as one file: the same network, with one framework and nothing of triport."""

import ast
import sys
import types

import pytest

from triport.converters.environment import import_mindspore, import_torch
from triport.publishing.registered.networks import standalone
from triport.reference_models.spec import all_models

FAMILIES = {spec.family: spec for spec in reversed(all_models().values())}
EVERY = [
    spec if spec in FAMILIES.values() else pytest.param(spec, marks=pytest.mark.slow)
    for spec in all_models().values()
]


@pytest.fixture
def module_of():
    """Make a module of a source text, as its import would."""
    made = []

    def make(text):
        module = types.ModuleType(f"network_{len(made)}")
        sys.modules[module.__name__] = module  # dataclasses look their module up
        made.append(module.__name__)
        exec(compile(text, module.__name__, "exec"), module.__dict__)
        return module

    yield make
    for name in made:
        del sys.modules[name]


@pytest.mark.parametrize("runtime", ["pytorch", "mindspore"])
@pytest.mark.parametrize("spec", all_models().values(), ids=lambda spec: spec.name)
def test_it_imports_one_framework_and_python(spec, runtime):
    tree = ast.parse(standalone(spec, runtime, 7, "1"))
    found = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    framework = "torch" if runtime == "pytorch" else "mindspore"
    assert framework in found
    assert found <= {framework, *sys.stdlib_module_names}


@pytest.mark.parametrize("spec", EVERY, ids=lambda spec: spec.name)
def test_it_is_the_same_network_in_pytorch(spec, module_of):
    torch = import_torch()
    with torch.device("meta"):
        theirs = module_of(standalone(spec, "pytorch", 7, "1")).network()
        ours = spec.build_torch(7)
    assert str(theirs) == str(ours)
    shapes = [{n: t.shape for n, t in net.state_dict().items()} for net in (theirs, ours)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("spec", [FAMILIES["res2net"], FAMILIES["regnet"]], ids=lambda spec: spec.name)
def test_it_is_the_same_network_in_mindspore(spec, module_of):
    import_mindspore()
    theirs = module_of(standalone(spec, "mindspore", 7, "1")).network()
    ours = spec.build_mindspore(7)
    assert [(p.name, p.shape) for p in theirs.get_parameters()] == [
        (p.name, p.shape) for p in ours.get_parameters()
    ]
