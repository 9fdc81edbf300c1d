# SPDX-License-Identifier: Apache-2.0
"""What only gRPC has: streams, deadlines, cancellation, typed contents, and the standard services."""

import asyncio
import queue
import threading
import time

import grpc
import numpy
import pytest
import tritonclient.grpc
from faces import Grpc, GrpcAio, refused
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from models import identity, values
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

SERVICE = "inference.GRPCInferenceService"


@pytest.fixture(params=[Grpc, GrpcAio], ids=["sync", "aio"])
def face(request, connect):
    return connect(request.param)


@pytest.fixture
def channel(server):
    with grpc.insecure_channel(server.tcp, options=[("grpc.max_receive_message_length", -1)]) as one:
        yield one


@pytest.fixture
def stub(channel):
    return service_pb2_grpc.GRPCInferenceServiceStub(channel)


class Answers:
    """What comes by callback."""

    def __init__(self):
        self.queue = queue.Queue()

    def __call__(self, result, error):
        self.queue.put((result, error))

    def next(self, timeout_s=30):
        """A result; an error is raised."""
        result, error = self.queue.get(timeout=timeout_s)
        if error is not None:
            raise error
        return result


# --- one at a time ------------------------------------------------------------------------------


def ask_typed(stub, datatype, field, contents, **more):
    return stub.ModelInfer(service_pb2.ModelInferRequest(
        model_name=f"identity_{datatype.lower()}",
        inputs=[{"name": "x", "datatype": datatype, "shape": [len(contents)], "contents": {field: contents}}], **more))


@pytest.mark.parametrize("datatype, field", [
    ("BOOL", "bool_contents"), ("INT8", "int_contents"), ("INT16", "int_contents"), ("INT32", "int_contents"),
    ("INT64", "int64_contents"), ("UINT8", "uint_contents"), ("UINT16", "uint_contents"),
    ("UINT32", "uint_contents"), ("UINT64", "uint64_contents"), ("FP32", "fp32_contents"),
    ("FP64", "fp64_contents"), ("BYTES", "bytes_contents")])
def test_typed_contents(stub, connect, need, datatype, field):
    need(connect(Grpc), f"identity_{datatype.lower()}")
    array = values(datatype)
    reply = ask_typed(stub, datatype, field, array.tolist())
    got = tritonclient.grpc.InferResult(reply).as_numpy("y")
    assert got.tolist() == array.tolist() and len(reply.raw_output_contents) == 1


def rpc_refused(code, *words):
    """As faces.refused, of a call without tritonclient."""

    class Context(refused):
        def __exit__(self, kind, error, trace):
            if isinstance(error, grpc.RpcError):
                error = InferenceServerException(error.details(), str(error.code()))
            return super().__exit__(kind, error, trace)

    return Context(f"StatusCode.{code}", *words)


def test_typed_contents_that_do_not_fit(stub, connect, need):
    need(connect(Grpc), "identity_fp32", "identity_int8", "identity_fp16")
    with rpc_refused("INVALID_ARGUMENT", "'x'"):
        ask_typed(stub, "FP32", "int_contents", [1, 2])
    with rpc_refused("INVALID_ARGUMENT", "'x'"):
        ask_typed(stub, "INT8", "int_contents", [1, 300])
    with rpc_refused("INVALID_ARGUMENT", "'x'"):
        ask_typed(stub, "FP16", "fp32_contents", [1, 2])
    with rpc_refused("INVALID_ARGUMENT", "raw_input_contents"):
        ask_typed(stub, "FP32", "fp32_contents", [1, 2], raw_input_contents=[b"\0" * 8])
    with rpc_refused("INVALID_ARGUMENT"):
        stub.ModelInfer(service_pb2.ModelInferRequest(
            model_name="identity_fp32", inputs=[{"name": "x", "datatype": "FP32", "shape": [2]}],
            raw_input_contents=[b"\0" * 8, b"\0" * 8]))


@pytest.mark.parametrize("n", [7, 1 << 20])
@pytest.mark.parametrize("how", ["gzip", "deflate"])
def test_compression(face, need, how, n):
    need(face, "big")
    array = numpy.arange(n, dtype=numpy.float32)
    result = face.infer("big", [face.input("x", array)], compression_algorithm=how)
    assert result.as_numpy("y").tobytes() == array.tobytes()


def test_unix_socket(server):
    """Who comes by it is another guest."""
    face = Grpc(server.unix)
    array = values("FP32")
    try:
        face.load("by the socket", identity("FP32", doc="by the socket"))
        assert face.infer("by the socket", [face.input("x", array)]).as_numpy("y").tobytes() == array.tobytes()
        assert [one.name for one in face.index()] == ["by the socket"]
    finally:
        face.end()


def test_metadata_of_ones_own_and_keepalive(server, need):
    options = tritonclient.grpc.KeepAliveOptions(keepalive_time_ms=1000, keepalive_timeout_ms=2000,
                                                 keepalive_permit_without_calls=True)
    face = Grpc(server.tcp, keepalive_options=options)
    try:
        need(face, "identity_fp32")
        array = values("FP32")
        for _ in range(2):
            result = face.infer("identity_fp32", [face.input("x", array)],
                                headers={"x-mine": "v" * 1000, "authorization": "Bearer none"})
            assert result.as_numpy("y").tobytes() == array.tobytes()
            time.sleep(2.5)  # and is asked by PING whether it is there
    finally:
        face.end()


def test_no_limit_of_4_mib(stub, connect, need):
    need(connect(Grpc), "big")
    data = numpy.arange(16 << 20, dtype=numpy.uint32).tobytes()
    reply = stub.ModelInfer(service_pb2.ModelInferRequest(
        model_name="big", inputs=[{"name": "x", "datatype": "FP32", "shape": [16 << 20]}], raw_input_contents=[data]))
    assert reply.raw_output_contents[0] == data


def test_above_the_limit(own_server, connect):
    server = own_server("max-request-size = 1MiB\n")
    face = connect(Grpc, server)
    server.need(face, "identity_fp32")
    with refused("StatusCode.RESOURCE_EXHAUSTED", "max-request-size"):
        face.infer("identity_fp32", [face.input("x", numpy.zeros(1 << 20, numpy.float32))])
    array = values("FP32")
    assert face.infer("identity_fp32", [face.input("x", array)]).as_numpy("y").tobytes() == array.tobytes()


def test_what_is_not_implemented(channel):
    call = channel.unary_unary(f"/{SERVICE}/NoSuchMethod")
    with rpc_refused("UNIMPLEMENTED"):
        call(b"")
    call = channel.unary_unary("/no.such.Service/Method")
    with rpc_refused("UNIMPLEMENTED"):
        call(b"")


def test_a_message_that_is_none(channel):
    call = channel.unary_unary(f"/{SERVICE}/ModelInfer")
    with rpc_refused("INVALID_ARGUMENT"):
        call(b"\xff\xff\xff")


# --- deadlines and cancellation -----------------------------------------------------------------


def test_deadline(face, need):
    need(face, "endless")
    begun = time.monotonic()
    with face.refused(("", "StatusCode.DEADLINE_EXCEEDED"), "eadline"):
        face.infer("endless", [face.input("x", values("FP32", 1))], client_timeout=0.5)
    assert time.monotonic() - begun < 5


@pytest.fixture
def narrow(own_server, connect):
    """A client of a server that takes two requests at once."""
    server = own_server("max-requests = 2\nmodel-idle = 1h\n")
    face = connect(Grpc, server)
    server.need(face, "endless", "identity_fp32")
    return face


def test_requests_at_once_are_limited(narrow):
    answers = Answers()
    calls = [narrow.async_infer("endless", [narrow.input("x", values("FP32", 1))], answers) for _ in range(3)]
    with refused("StatusCode.RESOURCE_EXHAUSTED", "max-requests"):
        answers.next()
    for call in calls:
        call.cancel()
    assert narrow.has_room()


def test_cancel(narrow):
    answers = Answers()
    for _ in range(3):
        calls = [narrow.async_infer("endless", [narrow.input("x", values("FP32", 1))], answers) for _ in range(2)]
        time.sleep(0.3)
        for call in calls:
            call.cancel()
        for _ in calls:
            with refused("StatusCode.CANCELLED"):
                answers.next()
        assert narrow.has_room()


def test_deadlines_make_room(narrow):
    answers = Answers()
    for _ in range(4):
        narrow.async_infer("endless", [narrow.input("x", values("FP32", 1))], answers, client_timeout=0.3)
    for _ in range(4):
        with pytest.raises(InferenceServerException):
            answers.next()
    assert narrow.has_room()


def test_cancel_by_asyncio(connect, need):
    face = connect(GrpcAio)
    need(face, "endless", "identity_fp32")

    async def give_up():
        task = asyncio.ensure_future(face.client.infer("endless", [face.input("x", values("FP32", 1))]))
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises((asyncio.CancelledError, InferenceServerException)):
            await task

    face.wait(give_up())
    array = values("FP32")
    assert face.infer("identity_fp32", [face.input("x", array)]).as_numpy("y").tobytes() == array.tobytes()


# --- many ---------------------------------------------------------------------------------------


def test_async_infer(connect, need):
    face = connect(Grpc)
    need(face, "identity_fp32")
    answers = Answers()
    for i in range(200):
        face.async_infer("identity_fp32", [face.input("x", numpy.full(500 + i, i, numpy.float32))], answers,
                         request_id=str(i))
    seen = set()
    for _ in range(200):
        result = answers.next()
        i = int(result.get_response().id)
        assert result.as_numpy("y").tolist() == [i] * (500 + i)
        seen.add(i)
    assert seen == set(range(200))


def test_large_ones_at_once(connect, need):
    """8 × 8 MiB each way, over one connection: each stream's window, and the connection's, must go on."""
    face = connect(Grpc)
    need(face, "big")
    answers = Answers()
    for i in range(8):
        face.async_infer("big", [face.input("x", numpy.full(2 << 20, i, numpy.float32))], answers, request_id=str(i))
    for _ in range(8):
        result = answers.next()
        assert numpy.all(result.as_numpy("y") == int(result.get_response().id))


def test_threads_share_a_client(connect, need):
    face = connect(Grpc)
    need(face, "identity_fp32")
    failures = []

    def ask(i):
        try:
            for n in range(20):
                array = numpy.full(10 + n, i, numpy.float32)
                assert face.infer("identity_fp32", [face.input("x", array)]).as_numpy("y").tobytes() == array.tobytes()
        except Exception as error:  # pylint: disable=broad-exception-caught
            failures.append(error)

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures, failures


# --- streams ------------------------------------------------------------------------------------


@pytest.fixture
def stream(connect, need):
    """A client with an open stream, and what comes by it."""
    face = connect(Grpc)
    need(face, "identity_fp32", "big", "endless")
    answers = Answers()
    face.start_stream(answers)
    yield face, answers
    face.stop_stream(cancel_requests=True)


def test_stream(stream):
    face, answers = stream
    for i in range(100):
        face.async_stream_infer("identity_fp32", [face.input("x", numpy.full(10 + i, i, numpy.float32))],
                                request_id=str(i))
    for i in range(100):
        result = answers.next()
        assert result.get_response().id == str(i), "answers of a stream come in the order of its requests"
        assert result.as_numpy("y").tolist() == [i] * (10 + i)


def test_stream_of_large_ones(stream):
    face, answers = stream
    for i in range(4):
        face.async_stream_infer("big", [face.input("x", numpy.full(4 << 20, i, numpy.float32))])
    for i in range(4):
        assert numpy.all(answers.next().as_numpy("y") == i)


def test_errors_of_a_stream_do_not_end_it(stream):
    face, answers = stream
    array = values("FP32")
    for i in range(10):
        face.async_stream_infer("identity_fp32", [face.input("x", values("INT64"))], request_id=f"bad {i}")
        with pytest.raises(InferenceServerException, match='"x"'):
            answers.next()
        face.async_stream_infer("nobody", [face.input("x", array)])
        with pytest.raises(InferenceServerException, match="unknown model: 'nobody'"):
            answers.next()
        face.async_stream_infer("identity_fp32", [face.input("x", array)], request_id=f"good {i}")
        result = answers.next()
        assert result.get_response().id == f"good {i}" and result.as_numpy("y").tobytes() == array.tobytes()


def test_final_response(stream):
    """Of a model with one answer the one answer is the last, and says so where that is asked for."""
    face, answers = stream
    array = values("FP32")
    face.async_stream_infer("identity_fp32", [face.input("x", array)], enable_empty_final_response=True)
    result = answers.next()
    assert result.get_response().parameters["triton_final_response"].bool_param
    assert result.as_numpy("y").tobytes() == array.tobytes()
    with pytest.raises(queue.Empty):
        answers.next(timeout_s=0.3)


def test_a_stream_that_is_stopped(stream, connect):
    face, answers = stream
    face.async_stream_infer("endless", [face.input("x", values("FP32", 1))])
    time.sleep(0.3)
    face.stop_stream(cancel_requests=True)
    with pytest.raises(InferenceServerException):
        answers.next()
    other = connect(Grpc)
    array = values("FP32")
    assert other.infer("identity_fp32", [other.input("x", array)]).as_numpy("y").tobytes() == array.tobytes()


def test_stream_by_asyncio(connect, need):
    face = connect(GrpcAio)
    need(face, "identity_fp32")

    async def requests():
        for i in range(50):
            yield {"model_name": "identity_fp32", "request_id": str(i),
                   "inputs": [face.input("x", numpy.full(10 + i, i, numpy.float32))]}

    async def read():
        seen = []
        async for result, error in face.client.stream_infer(requests()):
            assert error is None, error
            i = int(result.get_response().id)
            assert result.as_numpy("y").tolist() == [i] * (10 + i)
            seen.append(i)
        return seen

    assert face.wait(read()) == list(range(50))


# --- the standard services ----------------------------------------------------------------------


def test_health(channel):
    health = health_pb2_grpc.HealthStub(channel)
    for service in "", SERVICE:
        reply = health.Check(health_pb2.HealthCheckRequest(service=service))
        assert reply.status == health_pb2.HealthCheckResponse.SERVING
    with rpc_refused("NOT_FOUND"):
        health.Check(health_pb2.HealthCheckRequest(service="no.such.Service"))


def test_health_is_watched(channel):
    watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=SERVICE))
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
    watch.cancel()


def test_reflection(channel):
    database = ProtoReflectionDescriptorDatabase(channel)
    assert {SERVICE, "grpc.health.v1.Health"} <= set(database.get_services())
    service = DescriptorPool(database).FindServiceByName(SERVICE)
    ours = {method.name: (method.input_type.full_name, method.output_type.full_name) for method in service.methods}
    theirs = {method.name: (method.input_type.full_name, method.output_type.full_name)
              for method in service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods}
    assert ours == theirs


def fields_of(message):
    return {(field.name, field.number, field.type, field.is_repeated) for field in message.fields}


def test_messages_by_reflection_are_tritons(channel):
    """All that Triton's have; the standard's have a field more."""
    pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
    for name, theirs in service_pb2.DESCRIPTOR.message_types_by_name.items():
        ours = pool.FindMessageTypeByName(f"inference.{name}")
        assert fields_of(ours) >= fields_of(theirs), name


def test_a_call_by_reflection_alone(channel, connect, need):
    """As grpcurl does it: what is known of the messages, the server has told."""
    need(connect(Grpc), "identity_fp32")
    pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
    method = pool.FindServiceByName(SERVICE).FindMethodByName("ModelMetadata")
    ask, answer = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
    call = channel.unary_unary(f"/{SERVICE}/{method.name}", ask.SerializeToString, answer.FromString)
    reply = call(ask(name="identity_fp32"))
    assert [(one.name, one.datatype) for one in reply.inputs] == [("x", "FP32")]
