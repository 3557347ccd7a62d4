/*
 * microhlo: runs compiled models without an operating system or an allocator.
 *
 *   #include "microhlo.h"
 *   #include "kws.h"               // by `microhlo compile --emit object` or `--emit c`
 *
 *   static MICROHLO_ALIGNED uint8_t arena[KWS_ARENA_BYTES];
 *   static microhlo_model model;
 *
 *   microhlo_status status = microhlo_load(&model, kws_artifact, KWS_ARTIFACT_BYTES);
 *   const uint8_t *inputs[KWS_INPUT_COUNT] = {audio};
 *   uint8_t *outputs[KWS_OUTPUT_COUNT] = {scores};
 *   if (status == MICROHLO_OK)
 *     status = microhlo_infer(&model, arena, sizeof arena, inputs, outputs);
 *
 * A model is proved once, when it is loaded; after that no byte of it can make a function touch memory that it must
 * not touch. No function allocates, blocks or uses more than a small fixed stack. Functions may be called from any
 * context, for one arena from one at a time.
 *
 * Tensors are dense and row-major, their elements little-endian. The memory of models and runs must be aligned as their
 * types are, and begin with zeros before it is first used (as static variables do).
 */
#ifndef MICROHLO_H
#define MICROHLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define MICROHLO_ALIGNED alignas(16)
extern "C" {
#else
#define MICROHLO_ALIGNED _Alignas(16)
#endif

/* What a function came to. */
typedef enum microhlo_status {
  /* All is well. */
  MICROHLO_OK = 0,
  /* A pointer is null. */
  MICROHLO_NULL = 1,
  /* The model or run is not one that was loaded or started. */
  MICROHLO_NOT_LOADED = 2,
  /* The artifact does not start at a multiple of 16. */
  MICROHLO_ARTIFACT_MISALIGNED = 3,
  /* The bytes are not an artifact that this runtime reads, or they have been damaged. */
  MICROHLO_BAD_ARTIFACT = 4,
  /* The library does not link a kernel that the model needs, or a part of it: build it with the model's list. */
  MICROHLO_MISSING_KERNEL = 5,
  /* The library does not link a micro-operation that the model needs: build it with the model's list. */
  MICROHLO_MISSING_MICRO_OPERATION = 6,
  /* A step of the artifact is not safe to run. */
  MICROHLO_UNSAFE_STEP = 7,
  /* The arena is smaller than the model needs. */
  MICROHLO_ARENA_TOO_SMALL = 8,
  /* The arena is not aligned as the model needs; a multiple of 16 always is. */
  MICROHLO_ARENA_MISALIGNED = 9,
  /* No input or output of this number. */
  MICROHLO_NO_SUCH_TENSOR = 10,
  /* An input is not given with its length. */
  MICROHLO_WRONG_SIZE = 11,
  /* An input can only be set before the first step. */
  MICROHLO_ALREADY_STARTED = 12,
  /* Outputs exist only after the last step. */
  MICROHLO_NOT_FINISHED = 13,
  /* The input is fed row by row and cannot be set. */
  MICROHLO_STREAMED = 14,
  /* The next step waits for rows of an input. */
  MICROHLO_UNFED = 15,
  /* The next step takes no rows of an input. */
  MICROHLO_NOT_FED = 16,
  /* The bytes are not whole rows, or more than are left. */
  MICROHLO_ROW_SIZE = 17,
  /* A step has changed since the model was loaded. */
  MICROHLO_CORRUPTED = 18,
  /* An error of a later version of the runtime. */
  MICROHLO_OTHER = 19,
  /* The model has another number of arenas than are given; if several, see `microhlo_arena`. */
  MICROHLO_ARENA_COUNT = 20,
  /* The model calls a function that `microhlo_functions` does not have, or has for other calls. */
  MICROHLO_MISSING_FUNCTION = 21,
  /* A function of the firmware gave up. The next step calls it again. */
  MICROHLO_FUNCTION_FAILED = 22
} microhlo_status;

/* A loaded model. It refers to the artifact, which must stay as it is. */
typedef struct microhlo_model {
  uint64_t words[sizeof(void *) == 8 ? 40 : 26];
} microhlo_model;

/* A run in progress. It refers to its model and arena. */
typedef struct microhlo_run {
  uint64_t words[16];
} microhlo_run;

/*
 * A memory that a model works in, at a multiple of 16. A model that was compiled for several (`compile --region`) takes
 * an array of them, in the order in which `compile` prints them and its header has their sizes. All are apart.
 */
typedef struct microhlo_arena {
  uint8_t *bytes;
  size_t len;
} microhlo_arena;

/* The name of a status, for example "MICROHLO_ARENA_TOO_SMALL"; never null. */
const char *microhlo_status_name(microhlo_status status);

/* Proves an artifact of `len` bytes, at a multiple of 16. */
microhlo_status microhlo_load(microhlo_model *model, const uint8_t *artifact, size_t len);

/*
 * Why an artifact does not load, as text for a log: which step, and which kernel or function it lacks. Returns the length
 * of the text, of which `room - 1` characters and a zero byte are written; zero if the artifact loads. The text
 * takes a few kilobytes of flash in a firmware that calls this.
 */
size_t microhlo_explain(const uint8_t *artifact, size_t len, char *text, size_t room);

/* What a model needs and has; zero for one that is not loaded, or a number out of range. Sizes are in bytes. */
size_t microhlo_arena_bytes(const microhlo_model *model);
size_t microhlo_arena_count(const microhlo_model *model);
size_t microhlo_arena_bytes_of(const microhlo_model *model, size_t index);
size_t microhlo_input_count(const microhlo_model *model);
size_t microhlo_output_count(const microhlo_model *model);
size_t microhlo_input_bytes(const microhlo_model *model, size_t index);
size_t microhlo_output_bytes(const microhlo_model *model, size_t index);

/* The name of the memory that an arena is for, as it was given to `compile --region`; empty if there is none. */
void microhlo_arena_name(const microhlo_model *model, size_t index, char (*name)[9]);

/* Makes every state of the model zero: needed before its first run unless the arena is zero. */
microhlo_status microhlo_reset(const microhlo_model *model, uint8_t *arena, size_t arena_len);

/*
 * Runs the model once. `inputs` and `outputs` have a pointer for each, to as many bytes as it has. A pointer may be null
 * for an input that is a state and for an output that is of no interest.
 */
microhlo_status microhlo_infer(const microhlo_model *model, uint8_t *arena, size_t arena_len,
                               const uint8_t *const *inputs, uint8_t *const *outputs);

/*
 * The same step by step. Between two steps other work can be done, but not in the arena. A run that is begun needs
 * not be ended.
 */
microhlo_status microhlo_start(microhlo_run *run, const microhlo_model *model, uint8_t *arena, size_t arena_len);
microhlo_status microhlo_set_input(microhlo_run *run, size_t index, const uint8_t *input, size_t len);
microhlo_status microhlo_step(microhlo_run *run, bool *finished);

/*
 * Gives the next rows of an input that the model was compiled to take row by row (`compile --stream-input`), and
 * computes what they make possible. `*wanted` is then the number of rows that there is room for; zero once the input is
 * complete and `microhlo_step` goes on.
 */
microhlo_status microhlo_feed(microhlo_run *run, const uint8_t *rows, size_t len, uint32_t *wanted);

/*
 * The same for a model that lies in several arenas, or keeps constants in one. `microhlo_fill` copies these, once before
 * the first run, and again if the arenas have been used for something else.
 */
microhlo_status microhlo_fill(const microhlo_model *model, const microhlo_arena *arenas, size_t count);
microhlo_status microhlo_reset_in(const microhlo_model *model, const microhlo_arena *arenas, size_t count);
microhlo_status microhlo_infer_in(const microhlo_model *model, const microhlo_arena *arenas, size_t count,
                                  const uint8_t *const *inputs, uint8_t *const *outputs);
microhlo_status microhlo_start_in(microhlo_run *run, const microhlo_model *model, const microhlo_arena *arenas,
                                  size_t count);

/* Where an output lies after the last step, and its length; null if there is none yet. */
const uint8_t *microhlo_output(microhlo_run *run, size_t index, size_t *len);

/*
 * Functions of the firmware that a model calls (`compile --extern NAME`). The firmware defines them in a table:
 *
 *   static const microhlo_function table[] = {{"board.median3", takes_three, median}, {NULL, NULL, NULL}};
 *   const microhlo_function *const microhlo_functions = table;
 *
 * Loading a model fails if a function is missing, or does not accept the call; results lie apart from each other and from
 * operands.
 */

/* Element types. Those of less than 8 bits take a byte; a boolean is 0 or 1; complex numbers are two floats. */
typedef enum microhlo_type {
  MICROHLO_I1 = 1,
  MICROHLO_I2 = 2,
  MICROHLO_I4 = 3,
  MICROHLO_I8 = 4,
  MICROHLO_I16 = 5,
  MICROHLO_I32 = 6,
  MICROHLO_I64 = 7,
  MICROHLO_U2 = 8,
  MICROHLO_U4 = 9,
  MICROHLO_U8 = 10,
  MICROHLO_U16 = 11,
  MICROHLO_U32 = 12,
  MICROHLO_U64 = 13,
  MICROHLO_F4E2M1FN = 14,
  MICROHLO_F6E2M3FN = 15,
  MICROHLO_F6E3M2FN = 16,
  MICROHLO_F8E3M4 = 17,
  MICROHLO_F8E4M3 = 18,
  MICROHLO_F8E4M3FN = 19,
  MICROHLO_F8E4M3FNUZ = 20,
  MICROHLO_F8E4M3B11FNUZ = 21,
  MICROHLO_F8E5M2 = 22,
  MICROHLO_F8E5M2FNUZ = 23,
  MICROHLO_F8E8M0FNU = 24,
  MICROHLO_BF16 = 25,
  MICROHLO_F16 = 26,
  MICROHLO_F32 = 27,
  MICROHLO_F64 = 28,
  MICROHLO_C64 = 29,
  MICROHLO_C128 = 30
} microhlo_type;

#define MICROHLO_MAX_RANK 8

/* What an operand or result is. Sizes of dimensions stand outermost first. */
typedef struct microhlo_shape {
  int32_t type;
  uint32_t rank;
  uint32_t dims[MICROHLO_MAX_RANK];
  size_t bytes;
} microhlo_shape;

/* A call of a function, which exists while the function runs. */
typedef struct microhlo_call microhlo_call;

/* A function of the firmware. */
typedef struct microhlo_function {
  /* The name that models call it by, UTF-8; null ends a table. */
  const char *name;
  /* Whether it is for a call: of these shapes and settings. Asked when a model is loaded; null if it is for all. */
  bool (*accepts)(const microhlo_call *call);
  /* Computes the results. Zero, or else the run ends with MICROHLO_FUNCTION_FAILED. */
  uint32_t (*compute)(microhlo_call *call);
} microhlo_function;

/* The firmware's functions: defined by the firmware, if the library is for a model that calls any. */
extern const microhlo_function *const microhlo_functions;

/* What a call is of; false if there is no such operand or result. */
size_t microhlo_operand_count(const microhlo_call *call);
size_t microhlo_result_count(const microhlo_call *call);
bool microhlo_operand_shape(const microhlo_call *call, size_t index, microhlo_shape *shape);
bool microhlo_result_shape(const microhlo_call *call, size_t index, microhlo_shape *shape);

/* Settings of a call by their names; false, null or zero if it has none of this name and type. A string has no zero byte. */
bool microhlo_setting_boolean(const microhlo_call *call, const char *name, bool *value);
bool microhlo_setting_integer(const microhlo_call *call, const char *name, int64_t *value);
bool microhlo_setting_float(const microhlo_call *call, const char *name, float *value);
bool microhlo_setting_double(const microhlo_call *call, const char *name, double *value);
const char *microhlo_setting_text(const microhlo_call *call, const char *name, size_t *len);
/* How many integers a list has, of which the first `room` are written. */
size_t microhlo_setting_integers(const microhlo_call *call, const char *name, int64_t *values, size_t room);

/*
 * The bytes of an operand, and of the next result (the first one when called first), aligned as their elements are; null
 * if there is none, and when `accepts` asks.
 */
const void *microhlo_operand(const microhlo_call *call, size_t index, size_t *len);
void *microhlo_next_result(microhlo_call *call, size_t *len);

#ifdef __cplusplus
}
#endif

#endif
