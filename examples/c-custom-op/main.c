/*
 * Measures the ripple of a supply voltage, with a median filter that is the firmware's own, in C.
 *
 * The model calls the filter as `board.median3`; what the compiler does not know, the firmware provides. The exit code is
 * 0 if the values are those that JAX computes with the filter's definition.
 */
#include "board.h"
#include "microhlo.h"
#include "ripple.h"

#define COUNT 16u
#define SAMPLES (RIPPLE_INPUT_0_BYTES / sizeof(float))
#define VALUES (RIPPLE_OUTPUT_0_BYTES / sizeof(float))

/* Signals in volts, with glitches, and of each the mean, the root mean square about it and the largest distance from it. */
extern const float ripple_signals[COUNT][SAMPLES];
extern const float ripple_values[COUNT][VALUES];

static MICROHLO_ALIGNED uint8_t arena[RIPPLE_ARENA_BYTES];
static microhlo_model model;

/* The filter knows one window, and signals alone. */
static bool takes_three(const microhlo_call *call) {
  int64_t window;
  microhlo_shape from, to;
  return microhlo_setting_integer(call, "window", &window) && window == 3 &&
         microhlo_operand_shape(call, 0, &from) && from.type == MICROHLO_F32 && from.rank == 1 &&
         microhlo_result_shape(call, 0, &to) && to.type == MICROHLO_F32 && to.bytes == from.bytes;
}

static float smaller(float a, float b) { return a < b ? a : b; }
static float larger(float a, float b) { return a > b ? a : b; }

/* The median of each sample and its neighbours; the ends are repeated. */
static uint32_t median(microhlo_call *call) {
  size_t bytes;
  const float *from = microhlo_operand(call, 0, &bytes);
  float *to = microhlo_next_result(call, NULL);
  if (!from || !to) return 1;
  const size_t count = bytes / sizeof(float);
  for (size_t i = 0; i < count; i++) {
    const float before = from[i > 0 ? i - 1 : i], here = from[i], behind = from[i + 1 < count ? i + 1 : i];
    to[i] = larger(smaller(before, here), smaller(larger(before, here), behind));
  }
  return 0;
}

static const microhlo_function table[] = {{"board.median3", takes_three, median}, {NULL, NULL, NULL}};
const microhlo_function *const microhlo_functions = table;

static int fail(const char *what, microhlo_status status) {
  static char text[160];
  print(what);
  print(microhlo_status_name(status));
  if (microhlo_explain(ripple_artifact, RIPPLE_ARTIFACT_BYTES, text, sizeof text) > 0) print(": "), print(text);
  print("\n");
  return 2;
}

int main(void) {
  microhlo_status status = microhlo_load(&model, ripple_artifact, RIPPLE_ARTIFACT_BYTES);
  if (status != MICROHLO_OK) return fail("the model does not load: ", status);
  unsigned right = 0;
  for (unsigned signal = 0; signal < COUNT; signal++) {
    float values[VALUES];
    const uint8_t *inputs[RIPPLE_INPUT_COUNT] = {(const uint8_t *)ripple_signals[signal]};
    uint8_t *outputs[RIPPLE_OUTPUT_COUNT] = {(uint8_t *)values};
    status = microhlo_infer(&model, arena, sizeof arena, inputs, outputs);
    if (status != MICROHLO_OK) return fail("the model does not run: ", status);
    for (unsigned i = 0; i < VALUES; i++) {
      const float difference = values[i] - ripple_values[signal][i];
      right += difference <= 1e-5f && difference >= -1e-5f;
    }
  }
  print(right == COUNT * VALUES ? "all values are JAX's, by the filter of the firmware\n" : "values are wrong\n");
  return right == COUNT * VALUES ? 0 : 1;
}
