"""The host's side of the protocol against a scripted device: every fault gives its own line."""

import io
from dataclasses import replace

import pytest

from fake_device import (
    GREETING,
    INFO,
    INPUT,
    SHA256,
    TICKS,
    FakeDevice,
    connect,
    corrupted,
    lost,
    noisy,
    repeated,
    with_error,
)
from pipeline import protocol
from pipeline.device import ClockReading, Device, ProcessLink
from pipeline.errors import DeviceError, ToolError


def without(position):
    return lambda frames: b"".join(frames[:position] + frames[position + 1 :])


def restarted(frames):
    return GREETING


@pytest.mark.parametrize("fault", [None, lost, corrupted, repeated, noisy])
@pytest.mark.parametrize("at", range(9))
def test_every_request_survives_a_fault_of_its_answer(at, fault):
    link = FakeDevice(faults=[None] * at + [fault])
    log = io.BytesIO()
    with connect(link, log=log) as device:
        # 30 bytes in 3 chunks of at most 12, inference, 20 bytes in 2 chunks; then run and steps
        assert device.infer(INPUT).outputs == INPUT[::-1][:20]
        assert device.run(warmups=1, runs=4).ticks == TICKS
        assert device.profile() == (0, 10, 20)
        assert device.check() == (7, 8, 9)
    again = fault in (lost, corrupted)  # the request
    if fault in (corrupted, noisy):  # what was a greeting, perhaps: input and work once more
        again += 6 if at < 6 else 4
    assert len(link.requests) == 9 + again
    assert link.closed
    assert log.getvalue().startswith(GREETING)


@pytest.mark.parametrize("position", range(5))
def test_a_gap_in_a_run_is_asked_for_again(position):
    link = FakeDevice(faults=[without(position)])
    assert connect(link).run(warmups=0, runs=4).ticks == TICKS
    assert len(link.requests) == 2
    assert link.requests[0] == link.requests[1]


def test_a_retried_request_is_executed_twice_and_the_second_answer_ignored():
    late = []

    def delayed(frames):
        late.extend(frames)
        return b""

    link = FakeDevice(faults=[delayed, lambda frames: b"".join(late + frames)])
    device = connect(link)
    assert device.run(warmups=0, runs=3).ticks == TICKS[:3]
    assert device.run(warmups=0, runs=4).ticks == TICKS


def test_sequence_numbers_wrap_around_the_greetings_zero():
    link = FakeDevice()
    device = connect(link)
    for _ in range(300):
        device.check()
    assert [frame.sequence for frame in link.requests] == [i % 255 + 1 for i in range(300)]


def test_a_device_that_greeted_long_ago_is_asked():
    link = FakeDevice(greeting=b"")
    assert connect(link).info == INFO
    assert [frame.message for frame in link.requests] == [protocol.Hello()]
    assert link.now == pytest.approx(2)


def test_a_late_noisy_greeting_is_awaited():
    link = FakeDevice(greeting=b"\x00\xffets Jul 29 2019\r\n", faults=[lost, lost, lost, noisy])
    assert connect(link).info == INFO
    assert link.now == pytest.approx(8)


@pytest.mark.parametrize(
    ("greeting", "line"),
    [
        (
            b"",
            "device: no greeting within 10 s; "
            "check that this firmware was flashed, and reset the board",
        ),
        (
            b"garbage\0 Hello from the factory demo\r\n",
            'device: no greeting within 10 s; its last text: "Hello from the factory demo"; '
            "check that this firmware was flashed, and reset the board",
        ),
        (
            protocol.encode(replace(INFO, protocol=2), 0),
            "device: speaks protocol 2, this host 1; flash firmware of this version",
        ),
        (
            protocol.encode(replace(INFO, max_payload=4), 0),
            "device: takes payloads of 4 bytes only",
        ),
        (
            protocol.encode(replace(INFO, model_sha256=bytes(32)), 0),
            "device: runs the model with sha256 0000000000000000..., not 0001020304050607...; "
            "flash the firmware that was built for this model",
        ),
    ],
)
def test_a_device_that_cannot_be_used_is_refused_and_let_go(greeting, line):
    link = FakeDevice(greeting=greeting, faults=[lost] * 99)
    with pytest.raises(DeviceError) as error:
        connect(link, model_sha256=SHA256.hex())
    assert str(error.value) == line
    assert link.closed
    assert link.now <= 10


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (
            lost,
            "device: no whole reply to Run within 10 s, asked 3 times; reset the board; check "
            "cable and supply, and that no other program uses the port",
        ),
        (
            lambda frames: b"\r\nFAULT 00008200\r\n",
            'device: no whole reply to Run within 10 s, asked 3 times; its last text: "FAULT '
            '00008200"; reset the board; check cable and supply, and that no other program uses '
            "the port",
        ),
        (with_error(4, "the runtime failed"), "device: refuses Run: error 4, the runtime failed"),
        (
            restarted,
            "device: restarted during Run; the staged input is lost: run again",
        ),
        (
            lambda frames: protocol.encode(protocol.Ack(), 1),
            "device: answered Run with Ack",
        ),
        (
            lambda frames: (
                b"".join(frames[:-1]) + protocol.encode(protocol.RunDone(4, 160, 192, 689), 1)
            ),
            "device: its statistics of 4 runs do not match the 4 samples it sent "
            "(4 runs asked for)",
        ),
    ],
)
def test_a_device_that_fails_gives_one_line(fault, line):
    link = FakeDevice(faults=[fault] * 3)
    device = connect(link)
    with pytest.raises(DeviceError) as error:
        device.run(warmups=1, runs=4)
    assert str(error.value) == line


@pytest.mark.parametrize(
    ("reference_hz", "reference_s", "turn_s"), [(64, 10.0, 2.0**26), (0, None, 0)]
)
def test_clocks_are_read_between_the_host_s_own(reference_hz, reference_s, turn_s):
    link = FakeDevice()
    link.reference_hz = reference_hz
    link.now = 40.0
    assert connect(link).clocks() == ClockReading(3.0, reference_s, turn_s, 40.125, 0.125)


def test_firmware_that_knows_less_is_to_be_flashed_anew():
    link = FakeDevice(faults=[with_error(1, "unknown request")])
    with pytest.raises(DeviceError, match=r"error 1, unknown request; flash firmware of this ver"):
        connect(link).clocks()


def test_an_interrupted_link_may_have_lost_a_greeting():
    link = FakeDevice()
    with connect(link) as device:
        device.write_input(bytes(INFO.input_bytes))
        link.interruptions = 1
        with pytest.raises(DeviceError, match=r"^device: restarted during Run; the staged input"):
            device.run(warmups=0, runs=1)


def test_a_device_that_ends_is_not_asked_again():
    link = FakeDevice(faults=[lambda frames: b"\r\nFAULT 00008200\r\n"])
    device = connect(link)
    link.ended = True
    with pytest.raises(DeviceError) as error:
        device.infer(INPUT)
    assert str(error.value) == (
        'device: qemu ended with exit code 99; its last text: "FAULT 00008200"'
    )


def test_fewer_steps_than_the_greeting_said_are_refused():
    def two_steps(frames):
        return b"".join(frames[:2]) + protocol.encode(protocol.Done(2), 1)

    with pytest.raises(DeviceError, match="Profile gave 2 of 3 steps"):
        connect(FakeDevice(faults=[two_steps])).profile()


def test_a_process_that_dies_is_reported_with_its_exit_code_and_error():
    link = ProcessLink(["sh", "-c", "printf 'FAULT 1'; echo no such board >&2; exit 3"])
    with pytest.raises(DeviceError) as error:
        Device(link)
    assert str(error.value) == (
        'device: sh ended with exit code 3: no such board; its last text: "FAULT 1"'
    )


def test_a_program_that_is_missing_is_named():
    with pytest.raises(ToolError, match="no-such-emulator cannot be started: No such file"):
        ProcessLink(["no-such-emulator", "-x"])


def test_bytes_pass_a_process_unchanged_and_closing_ends_it():
    link = ProcessLink(["cat"])
    data = bytes(range(256)) * 200
    link.write(data)
    received = b""
    while len(received) < len(data):
        received += link.read(10)
    assert received == data
    assert link.read(0.01) == b""
    link.close()
    assert link._process.returncode == -9
    link.close()
