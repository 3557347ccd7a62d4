//! Building and running small artifacts.
#![allow(dead_code, reason = "every test uses its own part")]

pub mod chains;
pub mod i8_cases;
pub mod regions;

use microhlo::{Arena, LoadError, Model};
use microhlo_format::kernels::{Map, MapInstr, MapOperand, SumI8};
use microhlo_format::{ArtifactSpec, DType, Kernel, MicroId, Place, TensorSpec, encode};

/// Bytes at an address that is a multiple of 16.
pub struct Aligned {
    blocks: Vec<[u128; 1]>,
    len: usize,
}

impl Aligned {
    /// A copy of `bytes`.
    pub fn new(bytes: &[u8]) -> Aligned {
        let blocks = bytes
            .chunks(16)
            .map(|chunk| {
                let mut block = [0; 16];
                block[..chunk.len()].copy_from_slice(chunk);
                [u128::from_ne_bytes(block)]
            })
            .collect();
        Aligned { blocks, len: bytes.len() }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: plain integers are valid bytes, and the vector holds at least `len` of them.
        unsafe { core::slice::from_raw_parts(self.blocks.as_ptr().cast(), self.len) }
    }
}

/// Lays out constants at multiples of 16.
#[derive(Default)]
pub struct Constants(pub Vec<u8>);

impl Constants {
    /// Appends bytes and says where they are.
    pub fn add(&mut self, bytes: &[u8]) -> Place {
        self.0.resize(self.0.len().next_multiple_of(16), 0);
        let place = Place::constant(self.0.len() as u32);
        self.0.extend_from_slice(bytes);
        place
    }

    /// Appends `f32` values.
    pub fn add_f32(&mut self, values: &[f32]) -> Place {
        self.add(&f32_bytes(values))
    }
}

/// Little-endian bytes.
pub fn f32_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// Values from little-endian bytes.
pub fn f32_values(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|c| f32::from_le_bytes(c.try_into().unwrap())).collect()
}

/// An input or output of `f32` values.
pub fn f32_tensor(name: &str, dims: &[u32], place: Place) -> TensorSpec {
    TensorSpec { name: name.into(), dtype: DType::F32, dims: dims.to_vec(), place }
}

/// A model of one step whose only input lies at arena offset 0 and whose output at `output`.
pub fn one_step(
    step: Kernel<Place>,
    input_bytes: u32,
    output: (u32, u32),
    constants: Vec<u8>,
) -> ArtifactSpec {
    let tensor = |name: &str, offset, bytes| TensorSpec {
        name: name.into(),
        dtype: DType::U8,
        dims: vec![bytes],
        place: Place::arena(offset),
    };
    ArtifactSpec {
        name: "test".into(),
        compiler: "test".into(),
        inputs: vec![tensor("x", 0, input_bytes)],
        outputs: vec![tensor("y", output.0, output.1)],
        steps: vec![step],
        constants,
        arena_bytes: (output.0 + output.1).max(input_bytes),
        ..ArtifactSpec::default()
    }
}

/// The sum of two operands of `count` bytes.
pub fn sum_of_bytes(lhs: Place, rhs: Place, output: Place, count: u32) -> Kernel<Place> {
    Kernel::sum_i8(SumI8 {
        lhs,
        rhs,
        output,
        count,
        lhs_multiplier: 1,
        rhs_multiplier: 1,
        offset: 0,
        shift: 0,
        min: -128,
        max: 127,
    })
}

/// The first offset after `bytes` that suits every type.
pub fn after(bytes: u32) -> u32 {
    bytes.next_multiple_of(16)
}

/// Encodes, loads and runs a model with one input and one output.
pub fn run(spec: &ArtifactSpec, input: &[u8]) -> Result<Vec<u8>, LoadError> {
    let file = Aligned::new(&encode(spec).unwrap());
    let model = Model::load(file.bytes())?;
    let mut arena = Box::new(Arena::<{ 1 << 18 }>([0xa5; 1 << 18]));
    let mut output = vec![0; model.output(0).unwrap().byte_len()];
    model.run(&mut arena.0, &[input], &mut [&mut output]).unwrap();
    Ok(output)
}

/// Runs `id` over the operands' raw bytes.
pub fn apply_raw(id: MicroId, args: &[Vec<u8>]) -> Vec<u8> {
    let micro = id.decode().expect("a defined operation");
    assert_eq!(micro.arity(), args.len(), "{micro:?}");
    let n = args[0].len() / micro.operand(0).size();
    let mut input = Vec::new();
    let mut inputs = heapless::Vec::new();
    for (i, arg) in args.iter().enumerate() {
        let size = micro.operand(i).size();
        input.resize(after(input.len() as u32) as usize, 0);
        let place = Place::arena(input.len() as u32);
        let strides = [size as i32].into_iter().collect();
        inputs.push(MapOperand { place, strides }).unwrap();
        input.extend_from_slice(arg);
    }
    let size = micro.result().size();
    let output = (after(input.len() as u32), (n * size) as u32);
    let mut registers = [0; 3];
    for (i, register) in registers.iter_mut().enumerate().take(args.len()) {
        *register = i as u8;
    }
    let step = Kernel::map(Map {
        sizes: [n as u32].into_iter().collect(),
        outputs: [MapOperand {
            place: Place::arena(output.0),
            strides: [size as i32].into_iter().collect(),
        }]
        .into_iter()
        .collect(),
        code: [MapInstr { op: id, dst: args.len() as u8, args: registers }].into_iter().collect(),
        inputs,
        scratch: None,
        temps: 0,
        temp_size: 0,
        tile: 3,
    });
    run(&one_step(step, input.len() as u32, output, vec![]), &input).expect("a valid model")
}
