/* From reset to main, and the entry of every trap (RISC-V privileged architecture 1.12, machine mode). */
  .option arch, +zicsr
  .section .start, "ax"
  .global on_reset
on_reset:
  la t0, on_trap
  csrw mtvec, t0
  /* Physical memory protection, locked so that it binds machine mode too: four ranges, each from the
   * last one's end. The stack lies lowest in RAM, so that an overflow writes to flash and faults. */
  la t0, flash_start
  srli t0, t0, 2
  csrw pmpaddr0, t0 /* peripherals: read, write */
  la t0, flash_end
  srli t0, t0, 2
  csrw pmpaddr1, t0 /* flash: read, execute */
  la t0, ram_end
  srli t0, t0, 2
  csrw pmpaddr2, t0 /* RAM: read, write */
  li t0, -1
  csrw pmpaddr3, t0 /* the rest: nothing */
  li t0, 0x888b8d8b
  csrw pmpcfg0, t0
  la sp, stack_end
  la t0, data_load
  la t1, data_start
  la t2, data_end
1:
  bgeu t1, t2, 2f
  lw t3, 0(t0)
  sw t3, 0(t1)
  addi t0, t0, 4
  addi t1, t1, 4
  j 1b
2:
  la t1, bss_start
  la t2, bss_end
3:
  bgeu t1, t2, 4f
  sw zero, 0(t1)
  addi t1, t1, 4
  j 3b
4:
  call main
  call port_halt

/* No interrupt is enabled: every trap is a fault. Its handler has a stack of its own, since main's may
 * have overflowed. */
  .align 2
on_trap:
  la sp, handler_stack_end
  csrr a0, mcause
  call port_fault
