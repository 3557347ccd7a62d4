/*
 * Start-up for a Cortex-M4F, and messages by semihosting.
 *
 * Arm v7-M Architecture Reference Manual, B1.5.5 "Reset behavior" and B3.2.20 "Coprocessor Access Control Register";
 * "Semihosting for AArch32 and AArch64".
 */
#include "board.h"

#include <stdint.h>

#define CPACR (*(volatile uint32_t *)0xE000ED88u)
#define FULL_ACCESS_TO_FPU (0xFu << 20)

#define SYS_WRITE0 0x04
#define SYS_EXIT_EXTENDED 0x20
#define APPLICATION_EXIT 0x20026u

/* From link.ld. */
extern uint32_t stack_top[], data_start[], data_end[], data_load[], bss_start[], bss_end[];

int main(void);

static void semihost(uint32_t operation, const void *parameter) {
  register uint32_t r0 __asm__("r0") = operation;
  register const void *r1 __asm__("r1") = parameter;
  __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
}

void print(const char *text) { semihost(SYS_WRITE0, text); }

static _Noreturn void leave(uint32_t code) {
  const uint32_t block[2] = {APPLICATION_EXIT, code};
  for (;;) semihost(SYS_EXIT_EXTENDED, block);
}

_Noreturn void reset(void) {
  CPACR |= FULL_ACCESS_TO_FPU;
  __asm__ volatile("dsb\n isb" ::: "memory");
  for (uint32_t *to = data_start, *from = data_load; to < data_end; to++, from++) *to = *from;
  for (uint32_t *to = bss_start; to < bss_end; to++) *to = 0;
  leave((uint32_t)main());
}

static _Noreturn void fault(void) {
  print("fault\n");
  leave(102);
}

/* The stack's top, reset, and the exceptions up to UsageFault. */
__attribute__((section(".vectors"), used)) static const void *const vectors[7] = {
    stack_top, (const void *)reset, (const void *)fault, (const void *)fault,
    (const void *)fault, (const void *)fault, (const void *)fault,
};
