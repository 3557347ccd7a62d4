//! The part of QEMU's plugin interface that is used: "QEMU TCG Plugins", API versions 1 to 5, in which these
//! functions have not changed.

use std::ffi::{c_char, c_int, c_uint, c_void};

/// A plugin's identity.
pub type Id = u64;

/// Called when a block is translated.
pub type Translated = unsafe extern "C" fn(Id, *mut Block);

/// Called when an instruction is executed, with the CPU and what was registered.
pub type Executed = unsafe extern "C" fn(c_uint, *mut c_void);

/// Called when QEMU ends.
pub type Ended = unsafe extern "C" fn(Id, *mut c_void);

/// A block being translated.
#[repr(C)]
pub struct Block {
    opaque: [u8; 0],
}

/// An instruction of a block.
#[repr(C)]
pub struct Instruction {
    opaque: [u8; 0],
}

/// `QEMU_PLUGIN_CB_NO_REGS`: the callback reads no registers.
pub const NO_REGISTERS: c_int = 0;

unsafe extern "C" {
    pub fn qemu_plugin_register_vcpu_tb_trans_cb(id: Id, callback: Translated);
    pub fn qemu_plugin_register_atexit_cb(id: Id, callback: Ended, data: *mut c_void);
    pub fn qemu_plugin_tb_n_insns(block: *const Block) -> usize;
    pub fn qemu_plugin_tb_get_insn(block: *const Block, index: usize) -> *mut Instruction;
    pub fn qemu_plugin_insn_vaddr(instruction: *const Instruction) -> u64;
    pub fn qemu_plugin_insn_size(instruction: *const Instruction) -> usize;
    /// The text is the caller's, to be given back with `g_free`.
    pub fn qemu_plugin_insn_disas(instruction: *const Instruction) -> *mut c_char;
    pub fn qemu_plugin_register_vcpu_insn_exec_cb(
        instruction: *mut Instruction,
        callback: Executed,
        flags: c_int,
        data: *mut c_void,
    );
    pub fn g_free(memory: *mut c_void);
}
