"""Asks a neglist server with nothing but gRPC's own Python packages.

    python -m venv venv && venv/bin/pip install -r requirements.txt
    venv/bin/python -m grpc_tools.protoc -I ../../proto -I ../../proto/vendor --python_out=. --grpc_python_out=. \
        neglist/v1/decision.proto
    venv/bin/python client.py 127.0.0.1:50051

Prints one line for each thing that it tried, and ends with exit code 1 at the first that is not as it should be.
The flow is one of the invented examples of `policies/registry/examples.yaml`.
"""

import sys

import grpc
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status

from neglist.v1 import decision_pb2 as pb
from neglist.v1 import decision_pb2_grpc as rpc

TIMEOUT_SECONDS = 10


def may_go(decision: pb.Decision) -> bool:
    """Only ALLOW lets a transfer go: any other answer, known or not, keeps it here."""
    return decision.outcome == pb.OUTCOME_ALLOW


def decide(stub: rpc.DecisionServiceStub, general: int, year_to_date: int) -> pb.Decision:
    transfer = pb.Transfer(
        flow="customers-to-hamburg",
        persons=pb.Persons(general=general),
        year_to_date=pb.Persons(general=year_to_date),
    )
    request = pb.DecideRequest(transfer=transfer, detail=pb.DETAIL_FULL)
    return stub.Decide(request, timeout=TIMEOUT_SECONDS).decision


def tell(what: str, is_right: bool, found: object) -> None:
    print(f"{'ok  ' if is_right else 'FAIL'} {what}: {found}")
    if not is_right:
        sys.exit(1)


def one_transfer(stub: rpc.DecisionServiceStub) -> None:
    decision = decide(stub, general=1, year_to_date=0)
    reason = decision.reasons[0]
    tell("decide", may_go(decision) and decision.snapshot.digest.startswith("blake3:"), reason.code)
    tell("both languages", bool(reason.text_zh and reason.text_en), reason.text_zh)


def many_transfers(stub: rpc.DecisionServiceStub) -> None:
    flow = pb.Transfer(flow="customers-to-hamburg", persons=pb.Persons(general=1), year_to_date=pb.Persons())
    batch = stub.DecideBatch(pb.DecideBatchRequest(transfers=[flow, pb.Transfer()]), timeout=TIMEOUT_SECONDS)
    kinds = [result.WhichOneof("result") for result in batch.results]
    tell("a batch, the second transfer malformed", kinds == ["decision", "error"], kinds)
    questions = (pb.DecideStreamRequest(sequence=number, transfer=flow) for number in range(1, 101))
    answers = [answer.sequence for answer in stub.DecideStream(questions, timeout=TIMEOUT_SECONDS)]
    tell("a stream of 100, in order", answers == list(range(1, 101)), len(answers))


def rich_error(stub: rpc.DecisionServiceStub) -> None:
    try:
        stub.Decide(pb.DecideRequest(transfer=pb.Transfer(flow="costumers-to-hamburg")), timeout=TIMEOUT_SECONDS)
    except grpc.RpcError as error:
        tell("a misspelt flow", error.code() == grpc.StatusCode.INVALID_ARGUMENT, error.details())
        bad_request = error_details_pb2.BadRequest()
        details = rpc_status.from_call(error).details
        found = [detail for detail in details if detail.Unpack(bad_request)]
        fields = [violation.field for violation in bad_request.field_violations]
        tell("its details", bool(found) and fields == ["transfer.flow"], fields)
        return
    tell("a misspelt flow", False, "no error came")


def health(channel: grpc.Channel) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    for service in ["", "neglist.v1.DecisionService"]:
        status = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=TIMEOUT_SECONDS).status
        tell(f"health of `{service}`", status == health_pb2.HealthCheckResponse.SERVING, status)


def reflection(channel: grpc.Channel) -> None:
    services = sorted(ProtoReflectionDescriptorDatabase(channel).get_services())
    tell("reflection", "neglist.v1.DecisionService" in services, services)


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: client.py HOST:PORT")
    with grpc.insecure_channel(sys.argv[1]) as channel:
        stub = rpc.DecisionServiceStub(channel)
        health(channel)
        reflection(channel)
        one_transfer(stub)
        many_transfers(stub)
        rich_error(stub)


if __name__ == "__main__":
    main()
