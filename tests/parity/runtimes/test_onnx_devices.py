"""What ONNX Runtime says of a session on a device, without one."""

from types import SimpleNamespace

from triport.parity.runtimes.onnx import said_of_the_cpu


def session(*nodes):
    placed = [
        SimpleNamespace(ep_name=provider, get_nodes=lambda op=op: [SimpleNamespace(op_type=op)])
        for provider, op in nodes
    ]
    return SimpleNamespace(get_provider_graph_assignment_info=lambda: placed)


def test_nodes_that_the_device_does_not_run_are_counted_by_their_operator():
    cuda, cpu = "CUDAExecutionProvider", "CPUExecutionProvider"
    said = said_of_the_cpu(session((cuda, "Conv"), (cpu, "Shape"), (cpu, "Gather"), (cpu, "Gather")))
    assert said == ("3 of its 4 nodes ran on the CPU, where ONNX Runtime put them: 2 Gather, 1 Shape",)


def test_nothing_is_said_where_all_run_on_the_device_or_nobody_can_know():
    assert said_of_the_cpu(session(("CUDAExecutionProvider", "Conv"))) == ()
    assert said_of_the_cpu(SimpleNamespace()) == ()


def test_this_onnx_runtime_tells_where_its_nodes_run():
    import onnx
    import onnxruntime
    from onnx import helper

    values = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "graph", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    settings = onnxruntime.SessionOptions()
    settings.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    found = onnxruntime.InferenceSession(
        model.SerializeToString(), settings, providers=["CPUExecutionProvider"]
    )
    if hasattr(found, "get_provider_graph_assignment_info"):  # older versions refuse instead
        assert said_of_the_cpu(found) == (
            "1 of its 1 nodes ran on the CPU, where ONNX Runtime put them: 1 Relu",
        )
