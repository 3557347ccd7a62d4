//! Time for embassy: the core's own timer, once a millisecond.
//!
//! On a real microcontroller, its HAL has a driver that sleeps until the next alarm.

use core::cell::RefCell;
use core::sync::atomic::{AtomicU32, Ordering};
use core::task::Waker;

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use critical_section::Mutex;
use embassy_time_driver::Driver;
use embassy_time_queue_utils::Queue;

/// Cycles of a millisecond, at the boards' 25 MHz.
const CYCLES: u32 = 25_000;

/// Milliseconds since the start; 49 days of them.
static NOW: AtomicU32 = AtomicU32::new(0);

struct Tick {
    queue: Mutex<RefCell<Queue>>,
}

embassy_time_driver::time_driver_impl!(
    static TICK: Tick = Tick { queue: Mutex::new(RefCell::new(Queue::new())) }
);

impl Driver for Tick {
    fn now(&self) -> u64 {
        NOW.load(Ordering::Relaxed).into()
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        critical_section::with(|section| {
            // Every tick looks at the queue, so that no alarm is set.
            let _ = self.queue.borrow(section).borrow_mut().schedule_wake(at, waker);
        });
    }
}

/// Starts the timer.
pub fn start(timer: &mut SYST) {
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(CYCLES - 1);
    timer.clear_current();
    timer.enable_interrupt();
    timer.enable_counter();
}

#[cortex_m_rt::exception]
fn SysTick() {
    // Only this writes it; the smaller cores have no atomic addition.
    let now = NOW.load(Ordering::Relaxed).wrapping_add(1);
    NOW.store(now, Ordering::Relaxed);
    critical_section::with(|section| {
        // What is due is woken.
        let _ = TICK.queue.borrow(section).borrow_mut().next_expiration(now.into());
    });
}
