//! What keeps a stack that runs out from overwriting whatever lies below: a page that nothing may
//! touch, or the processor's own limit of the stack.

use crate::STACK;

/// Size of the guard in bytes: the smallest page that emulators check without
/// slowing down its neighbours.
const SIZE: usize = 4096;

#[cfg(not(any(arm = "v6m", arm = "v8m", counter = "esp-cycles")))]
const BASE: usize = STACK.origin - SIZE;

const _: () = assert!(
    STACK.origin.is_multiple_of(SIZE) && STACK.origin >= SIZE,
    "the stack region must start at a multiple of 4096, above an unused page"
);

/// Whether an address lies in the guard.
#[cfg(any(arm = "v7m", all(target_arch = "riscv32", feature = "emulated")))]
pub fn contains(address: usize) -> bool {
    (BASE..STACK.origin).contains(&address)
}

/// Sets the guard up with the memory protection unit, if there is one.
///
/// Registers: Armv7-M Architecture Reference Manual, B3.5.
#[cfg(arm = "v7m")]
pub fn init() {
    use core::arch::asm;
    use core::ptr::{read_volatile, write_volatile};

    const SHCSR: *mut u32 = 0xE000_ED24 as *mut u32;
    const SHCSR_MEMFAULTENA: u32 = 1 << 16;
    const MPU_TYPE: *const u32 = 0xE000_ED90 as *const u32;
    const MPU_CTRL: *mut u32 = 0xE000_ED94 as *mut u32;
    const MPU_CTRL_ENABLE_WITH_DEFAULT_MAP: u32 = 0b101;
    const MPU_RBAR: *mut u32 = 0xE000_ED9C as *mut u32;
    const MPU_RBAR_VALID_REGION_0: u32 = 1 << 4;
    const MPU_RASR: *mut u32 = 0xE000_EDA0 as *mut u32;
    const MPU_RASR_XN_NO_ACCESS_ENABLE: u32 = 1 << 28 | 1;
    const MPU_RASR_SIZE: u32 = (SIZE.ilog2() - 1) << 1;

    // SAFETY: only this function touches these registers; the region denies
    // access to a page that holds neither code nor data.
    unsafe {
        if read_volatile(MPU_TYPE) == 0 {
            return;
        }
        write_volatile(MPU_RBAR, BASE as u32 | MPU_RBAR_VALID_REGION_0);
        write_volatile(MPU_RASR, MPU_RASR_XN_NO_ACCESS_ENABLE | MPU_RASR_SIZE);
        write_volatile(MPU_CTRL, MPU_CTRL_ENABLE_WITH_DEFAULT_MAP);
        write_volatile(SHCSR, read_volatile(SHCSR) | SHCSR_MEMFAULTENA);
        asm!("dsb", "isb", options(nostack, preserves_flags));
    }
}

/// There is no protection unit: the board's description puts the stack above no memory, so that
/// running out of it is a fault all the same.
#[cfg(arm = "v6m")]
pub fn init() {}

/// Sets the limit of the stack, and lets exceeding it be a fault of its own.
///
/// Registers: Armv8-M Architecture Reference Manual, MSPLIM and SHCSR.
#[cfg(arm = "v8m")]
pub fn init() {
    use core::arch::asm;
    use core::ptr::{read_volatile, write_volatile};

    const SHCSR: *mut u32 = 0xE000_ED24 as *mut u32;
    const SHCSR_USGFAULTENA: u32 = 1 << 18;
    // SAFETY: only this function touches these registers, and the limit is that of the stack.
    unsafe {
        write_volatile(SHCSR, read_volatile(SHCSR) | SHCSR_USGFAULTENA);
        asm!("msr msplim, {limit}", "isb", limit = in(reg) STACK.origin, options(nostack));
    }
}

/// There is none: below the stack lie variables, and esp-hal watches the end of its own stack only. The
/// runner sees that the stack is used up once a job has ended.
#[cfg(counter = "esp-cycles")]
pub fn init() {}

/// Sets the guard up with a locked entry of physical memory protection, which
/// binds machine mode too.
///
/// Registers: RISC-V privileged architecture, "Physical Memory Protection".
#[cfg(all(target_arch = "riscv32", not(counter = "esp-cycles")))]
pub fn init() {
    use core::arch::asm;

    const LOCKED_NAPOT_NO_ACCESS: usize = 0x98;
    const ADDRESS: usize = (BASE >> 2) | ((SIZE >> 3) - 1);
    // SAFETY: the entry denies access to a page that holds neither code nor
    // data, and no other entry is in use.
    unsafe {
        asm!(
            "csrw pmpaddr0, {address}",
            "csrw pmpcfg0, {config}",
            address = in(reg) ADDRESS,
            config = in(reg) LOCKED_NAPOT_NO_ACCESS,
            options(nostack),
        );
    }
}
