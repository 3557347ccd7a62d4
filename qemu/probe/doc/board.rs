// A board and its chip, for the examples in the documentation.
#[allow(dead_code)]
fn board() -> microhlo_boards::Board {
    let mut board: microhlo_boards::Board = toml::from_str(
        r#"
        description = "board of an example"
        target = "thumbv7em-none-eabihf"
        core = "cortex-m4f"
        memory = [
            { name = "FLASH", kind = "flash", origin = 0x08000000, length = 0x8000 },
            { name = "MODEL", kind = "model", origin = 0x08008000, length = 0x8000 },
            { name = "STACK", kind = "stack", origin = 0x20000000, length = 0x1000 },
            { name = "RAM", kind = "ram", origin = 0x20001000, length = 0x3000 },
        ]
        probe = { chip = "FAKE42" }
        counter = { kind = "dwt" }
        "#,
    )
    .expect("a description");
    board.name = "example".to_owned();
    board
}

// 64 KiB of flash in sectors of 4 KiB, and 16 KiB of RAM.
#[allow(dead_code)]
fn chip() -> microhlo_probe::Chip {
    let (range, sectors) = (0x0800_0000..0x0801_0000, vec![(0x0800_0000, 0x1000)]);
    microhlo_probe::Chip {
        name: "FAKE42".to_owned(),
        flash: vec![microhlo_probe::Flash { range, sectors }],
        ram: vec![0x2000_0000..0x2000_4000],
    }
}
