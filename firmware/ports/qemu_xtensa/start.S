/* From reset to main, and the entry of every exception; call0 ABI. Offsets of the vectors: the DE212
 * core's configuration (QEMU, target/xtensa/core-de212). */
  .section .reset, "ax"
  .global on_reset
on_reset:
  j 1f
  .align 4
start_address:
  .word start
1:
  l32r a0, start_address
  jx a0

/* All vectors lead to one place: no interrupt is enabled, so that every exception is a fault. */
  .section .vectors, "ax"
  .global vectors
vectors:
  .org 0x300 /* kernel mode */
  j on_exception
  .org 0x340 /* user mode */
  j on_exception
  .org 0x3c0 /* within an exception */
  j on_exception

  .section .text.start, "ax"
  .align 4
  .literal_position
start:
  movi a2, vectors
  wsr a2, vecbase
  movi a2, 0x2f /* PS: interrupts masked, user mode's vector, no exception pending */
  wsr a2, ps
  rsync
  movi a1, stack_end
  movi a2, data_load
  movi a3, data_start
  movi a4, data_end
1:
  bgeu a3, a4, 2f
  l32i a5, a2, 0
  s32i a5, a3, 0
  addi a2, a2, 4
  addi a3, a3, 4
  j 1b
2:
  movi a3, bss_start
  movi a4, bss_end
  movi a5, 0
3:
  bgeu a3, a4, 4f
  s32i a5, a3, 0
  addi a3, a3, 4
  j 3b
4:
  call0 main
  call0 port_halt

/* The handler has a stack of its own, since main's may have overflowed. */
  .align 4
  .literal_position
on_exception:
  movi a1, handler_stack_end
  rsr a2, exccause
  call0 port_fault
