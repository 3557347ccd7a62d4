//! Format.
#![no_std]
