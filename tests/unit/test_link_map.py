"""Link map: an excerpt of GNU ld 2.40's output with every form of line it knows."""

from __future__ import annotations

from pathlib import PurePath

from pipeline.firmware.link_map import model_sections, parse_link_map

BUILD = PurePath("/run 1/build/nano33ble_sim")
LINK_MAP = """
Discarded input sections

 .text.unused   0x00000000      0x999 /run 1/build/nano33ble_sim/src/kernels/add_s8.o

Memory Configuration

Name             Origin             Length             Attributes
FLASH            0x00000000         0x00100000         xr

Linker script and memory map

LOAD /run 1/build/nano33ble_sim/generated/model.o
                0x00002000                        stack_bytes = 0x2000

.text           0x00000000      0xd1c
 *(.vectors)
 .vectors       0x00000000       0x40 /run 1/build/nano33ble_sim/src/ports/qemu_mps2/startup.o
 *(.text .text.*)
 .text          0x00000040        0x0 /run 1/build/nano33ble_sim/generated/model.o
 .text.model_invoke
                0x00000040       0x44 /run 1/build/nano33ble_sim/generated/model.o
                0x00000040                model_invoke
 *fill*         0x00000084        0x4
 .text.crc32    0x00000088       0x3c /run 1/build/nano33ble_sim/src/core/crc32.o
 .text.add_s8   0x000000c4      0x100 /run 1/build/nano33ble_sim/src/kernels/add_s8.o
 .text.runtime_name
                0x000001c4        0x8 /run 1/build/nano33ble_sim/src/runtimes/aot/runtime_aot.o
 .text          0x000001cc       0x20 /usr/lib/libc.a(lib_a-memcpy.o)

.rodata         0x00000d1c      0x1e0
 .rodata.model_op0_weights
                0x00000d1c       0x48 /run 1/build/nano33ble_sim/generated/model_data.o
 .rodata.name.str1.1
                0x00000d64        0x4 /run 1/build/nano33ble_sim/src/runtimes/aot/runtime_aot.o
                                  0x9 (size before relaxing)

.bss            0x20002200      0xf5c load address 0x00000efc
 .bss.model_arena
                0x20002200      0x620 /run 1/build/nano33ble_sim/generated/model.o
 COMMON         0x20002820       0x10 /run 1/build/nano33ble_sim/generated/model.o

.debug_info     0x00000000     0x3733
 .debug_info    0x00000000      0x6ad /run 1/build/nano33ble_sim/generated/model.o
"""


def test_reads_name_size_and_object_of_what_was_linked() -> None:
    sections = {(s.name, s.size_bytes) for s in parse_link_map(LINK_MAP)}

    assert (".text.model_invoke", 0x44) in sections
    assert (".rodata.name.str1.1", 4) in sections
    assert (".text", 0x20) in sections
    assert ("COMMON", 0x10) in sections
    assert ".text.unused" not in {name for name, _ in sections}


def test_code_and_constants_of_the_model_leave_out_port_core_and_library() -> None:
    model = model_sections(parse_link_map(LINK_MAP), BUILD)

    assert sum(s.size_bytes for s in model if s.is_code()) == 0x44 + 0x100 + 0x8
    assert sum(s.size_bytes for s in model if s.is_const()) == 0x48 + 0x4
    assert sum(s.size_bytes for s in model if s.is_in_ram()) == 0x620 + 0x10


def test_tflm_counts_wherever_it_was_linked_from() -> None:
    esp32 = "/pio/packages/framework-arduinoespressif32-libs/esp32/lib"
    objects = {
        "/run 1/build/nano33ble_sim/lib9cb/Chirale_TensorFLowLite/tensorflow/conv.cpp.o": 1,
        "/run 1/build/nano33ble_sim/lib9cb/libChirale_TensorFLowLite.a(conv.cpp.o)": 2,
        f"{esp32}/libespressif__esp-tflite-micro.a(conv.cc.obj)": 4,
        f"{esp32}/libespressif__esp-nn.a(esp_nn_conv_ansi.c.obj)": 8,
        f"{esp32}/libfreertos.a(tasks.c.obj)": 16,
        "/run 1/build/nano33ble_sim/FrameworkArduino/Chirale.cpp.o": 32,
    }
    lines = "".join(f" .text.f        0x00000040 0x{n:x} {path}\n" for path, n in objects.items())
    sections = parse_link_map(f"Linker script and memory map\n\n{lines}")

    assert sum(s.size_bytes for s in model_sections(sections, BUILD)) == 1 + 2 + 4 + 8


def test_names_the_variable_of_a_section() -> None:
    arena = max((s for s in parse_link_map(LINK_MAP) if s.is_in_ram()), key=lambda s: s.size_bytes)

    assert arena.symbol == "model_arena"
