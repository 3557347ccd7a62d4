//! Sends models to the firmware of `examples/model-update`, and says what comes of it.

use std::process::ExitCode;

use microhlo_qemu::Error;
use microhlo_tests::model_update::{Answer, Device, forged};
use microhlo_tests::on_named_board;

/// What must come, and what was asked for.
fn expect(what: &str, want: impl Fn(&Answer) -> bool, answer: Answer) -> Result<(), Error> {
    println!("{what}: {answer}");
    match want(&answer) {
        true => Ok(()),
        false => Err(Error::Protocol { reason: format!("{what} should come to something else") }),
    }
}

fn story(board: &str) -> Result<(), Error> {
    let (mut device, models) = Device::start(board)?;
    let runs = |version| move |answer: &Answer| *answer == Answer::Hello(version, String::new());
    let gives = |output: &[u8]| {
        let output = Answer::Output(output.to_vec());
        move |answer: &Answer| *answer == output
    };
    let refuses = |text: &'static str| move |answer: &Answer| matches!(answer, Answer::Refused(why) if why.contains(text));
    let none = |answer: &Answer| matches!(answer, Answer::Hello(0, _));
    expect("power on", none, device.hear()?)?;
    expect("send version 1", runs(1), device.update(&models.first.image(1))?)?;
    expect("send version 2", refuses("on trial"), device.update(&models.second.image(2))?)?;
    expect("run", gives(&models.first.output), device.run()?)?;
    device.cut(30)?;
    let sent = device.update(&models.second.image(2))?;
    expect("send version 2, power is lost in write 30", runs(1), sent)?;
    expect("run", gives(&models.first.output), device.run()?)?;
    expect("send version 2", runs(2), device.update(&models.second.image(2))?)?;
    expect("run", gives(&models.second.output), device.run()?)?;
    let forged = device.update(&forged(models.first.image(3), 4))?;
    expect("send version 3 as 4", refuses("the signature"), forged)?;
    let foreign = device.update(&models.foreign.image(5))?;
    expect("send a model of other kernels", refuses("is not linked"), foreign)?;
    expect("send version 2", refuses("does not exceed"), device.update(&models.second.image(2))?)?;
    expect("run", gives(&models.second.output), device.run()?)
}

fn main() -> ExitCode {
    on_named_board("model-update", story)
}
