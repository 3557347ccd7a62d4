//! A firmware in QEMU is updated over its serial line, with power lost at every write and erase.

use microhlo_slots::frame::Kind;
use microhlo_tests::model_update::{Answer, Candidate, Device, forged, shared};

/// Starts the firmware and installs version 1, confirmed.
fn installed(board: &str) -> (Device, [Candidate; 2], Candidate) {
    let (mut device, models) = Device::start(board).unwrap_or_else(|error| panic!("{error}"));
    let none = device.hear().expect("a hello");
    assert!(matches!(none, Answer::Hello(0, _)), "{none}");
    let models_by_parity = [models.second, models.first];
    update(&mut device, &models_by_parity, 1);
    (device, models_by_parity, models.foreign)
}

/// The model of a version.
fn model(models: &[Candidate; 2], version: u32) -> &Candidate {
    &models[version as usize % 2]
}

/// Runs a version, which must be what runs.
fn run(device: &mut Device, models: &[Candidate; 2], version: u32) {
    let output = Answer::Output(model(models, version).output.clone());
    assert_eq!(device.run().expect("an answer"), output, "version {version}");
}

/// Updates to a version and confirms it.
fn update(device: &mut Device, models: &[Candidate; 2], version: u32) {
    let answer = device.update(&model(models, version).image(version)).expect("an answer");
    assert_eq!(answer, Answer::Hello(version, String::new()));
    run(device, models, version);
}

/// Loses power in every write and erase of an update, of its trial and of its confirmation. The next update
/// finds what the one before left, and gets one operation further.
fn survives(board: &str) {
    let (mut device, models, _) = installed(board);
    let (mut version, mut counts) = (1, [0, 0]);
    for cut in 1.. {
        assert_eq!(device.cut(cut).expect("an answer"), Answer::Ready(0));
        let next = version + 1;
        let image = model(&models, next).image(next);
        let mut answer = device.update(&image).expect("an answer");
        // Power may be lost yet, in the confirmation.
        if answer == Answer::Hello(next, String::new()) {
            answer = device.run().expect("an answer");
        }
        let runs = match answer {
            Answer::Hello(runs, why) if why.is_empty() => runs,
            Answer::Output(output) if output == model(&models, next).output => next,
            answer => panic!("{cut}: {answer}"),
        };
        // What is left of the number was not needed.
        if device.cut(0).expect("an answer") != Answer::Ready(0) {
            assert_eq!(runs, next);
            break;
        }
        assert!(runs == version || runs == next, "{cut}: {runs}");
        counts[(runs - version) as usize] += 1;
        run(&mut device, &models, runs);
        version = runs;
    }
    println!("{board}: {counts:?} times the old model and the new one ran");
    assert!(counts[0] > 40 && counts[1] > 2, "{counts:?}");
    let last = version + 2;
    update(&mut device, &models, last);
}

#[test]
fn power_may_be_lost_at_every_write_on_the_cortex_m4f() {
    survives("mps2-an386");
}

#[test]
fn power_may_be_lost_at_every_write_on_risc_v() {
    survives("virt-rv32");
}

#[test]
fn what_must_not_run_is_refused_by_name_and_what_runs_goes_on() {
    let (mut device, models, foreign) = installed("mps2-an386");
    let refused = |answer: Answer, text: &str| match answer {
        Answer::Refused(why) => assert!(why.contains(text), "{why}"),
        other => panic!("{other}"),
    };
    let mut image = foreign.image(2);
    refused(device.update(&image).expect("an answer"), "kernel depthwise_f32 is not linked");
    image[90] ^= 1;
    let begun = device.ask(Kind::BEGIN, &[&image[..160]]);
    refused(begun.expect("an answer"), "the header is damaged");
    let forged = forged(models[0].image(2), 4);
    refused(device.update(&forged).expect("an answer"), "the signature is not one");
    let mut image = models[0].image(2);
    image[600] ^= 1;
    refused(device.update(&image).expect("an answer"), "the artifact is damaged");
    refused(device.update(&models[1].image(1)).expect("an answer"), "does not exceed");
    // A damaged frame is asked for again.
    let image = models[0].image(2);
    assert_eq!(device.ask(Kind::BEGIN, &[&image[..160]]).expect("an answer"), Answer::Ready(0));
    let piece: [&[u8]; 2] = [&[0; 4], &image[512..600]];
    assert_eq!(device.mumble(Kind::DATA, &piece).expect("an answer"), Answer::Ready(0));
    assert_eq!(device.ask(Kind::DATA, &piece).expect("an answer"), Answer::Ready(88));
    // So is one that was heard already.
    assert_eq!(device.ask(Kind::DATA, &piece).expect("an answer"), Answer::Ready(88));
    refused(device.ask(Kind::COMMIT, &[]).expect("an answer"), "were written; send the rest");
    refused(device.ask(shared::RUN, &[&[0; 3]]).expect("an answer"), "not what comes next");
    run(&mut device, &models, 1);
    update(&mut device, &models, 2);
}
