/* Dot products with the MAC16 option of Xtensa cores (the ESP32's LX6, the ESP32-S3's LX7): sums of
 * products of halves of words in a 40-bit accumulator, where one instruction multiplies, adds and
 * loads the next word into one of the registers m0 to m3.
 *
 * The instructions are spelled as bytes, the same for every assembler: that of GCC for the lx106,
 * which the emulated ESP32 is built with, does not know them. On other processors the same functions
 * are plain C. FreeRTOS keeps all registers used here for every task. */
#ifndef MAC16_H
#define MAC16_H

#include <stdint.h>

/* Two halves: the product of words is that of their first halves plus that of their second ones. */
typedef uint32_t __attribute__((may_alias)) mac16_word;

#ifdef __XTENSA__

#if __has_include(<xtensa/config/core-isa.h>)
#include <xtensa/config/core-isa.h>
#if !XCHAL_HAVE_MAC16 || !XCHAL_HAVE_LOOPS
#error "this model was generated for an ESP32 or ESP32-S3: this core has no MAC16 option"
#endif
#endif

/* An operand that GCC prints as "a5" has its number in .Lmac16_a5. */
#define MAC16_NUMBERS                                                                            \
  ".set .Lmac16_a0, 0\n .set .Lmac16_a2, 2\n .set .Lmac16_a3, 3\n .set .Lmac16_a4, 4\n"          \
  ".set .Lmac16_a5, 5\n .set .Lmac16_a6, 6\n .set .Lmac16_a7, 7\n .set .Lmac16_a8, 8\n"          \
  ".set .Lmac16_a9, 9\n .set .Lmac16_a10, 10\n .set .Lmac16_a11, 11\n .set .Lmac16_a12, 12\n"    \
  ".set .Lmac16_a13, 13\n .set .Lmac16_a14, 14\n .set .Lmac16_a15, 15\n"
#define MAC16_A(operand) ".Lmac16_%[" #operand "]"
#define MAC16_BYTES(op2, op1, r, s, t) \
  ".byte 4 | (" t ") << 4, (" s ") | (" r ") << 4, " op1 " | " op2 " << 4\n"
/* Which half of the first and of the second factor: low or high. */
#define MAC16_LL "8"
#define MAC16_HL "9"
#define MAC16_LH "10"
#define MAC16_HH "11"

/* The accumulator's lower 32 bits. */
#define WSR_ACCLO(at) ".byte (" MAC16_A(at) ") << 4, 16, 0x13\n"
#define RSR_ACCLO(at) ".byte (" MAC16_A(at) ") << 4, 16, 0x03\n"
#define WSR_M(m, at) ".byte (" MAC16_A(at) ") << 4, 32 + " #m ", 0x13\n"
/* as += 4, then mw is the word there. */
#define LDINC(mw, as) MAC16_BYTES("8", "0", #mw, MAC16_A(as), "0")
/* Adds a product of halves: of m0 or m1 (mx) and m2 or m3 (my), or of address registers (as, at). */
#define MULA_DD(halves, mx, my) \
  MAC16_BYTES("2", MAC16_##halves, #mx " << 2", "0", "(" #my " - 2) << 2")
#define MULA_DA(halves, mx, at) MAC16_BYTES("6", MAC16_##halves, #mx " << 2", "0", MAC16_A(at))
#define MULA_AD(halves, as, my) \
  MAC16_BYTES("3", MAC16_##halves, "0", MAC16_A(as), "(" #my " - 2) << 2")
#define MULA_AA(halves, as, at) MAC16_BYTES("7", MAC16_##halves, "0", MAC16_A(as), MAC16_A(at))
/* MULA_DD of the registers as they were, with LDINC. */
#define MULA_DD_LDINC(halves, mw, as, mx, my)                                     \
  MAC16_BYTES("0", MAC16_##halves, #mw " | " #mx " << 2", MAC16_A(as), "(" #my " - 2) << 2")
/* The padding is no instruction. */
#define MAC16_ALIGN "j 1f\n .balign 4\n 1:\n"
/* The next `bytes` bytes, `as` times. The first instruction of a loop must not cross a word: this one
 * has to stand a multiple of 4 bytes less its own 3 behind MAC16_ALIGN. */
#define LOOPNEZ(as, bytes) ".byte 0x76, 0x90 | " MAC16_A(as) ", " #bytes " - 1\n"

#endif

/* bias + the products of 4 * quads halves each.
 *
 * before  the word before the first factors; afterwards their last word
 * row     the word before the second factors */
static inline int32_t mac16_dot_product(const mac16_word **before, const mac16_word *row,
                                        int32_t quads, int32_t bias) {
#ifdef __XTENSA__
  const mac16_word *x = *before, *w;
  int32_t sum = bias;
  __asm__ volatile(MAC16_NUMBERS
                   "mov %[w], %[row]\n"
                   MAC16_ALIGN
                   WSR_ACCLO(sum)
                   LDINC(0, x)
                   LDINC(2, w)
                   LOOPNEZ(rounds, 12)
                   MULA_DD_LDINC(LL, 1, x, 0, 2)
                   MULA_DD_LDINC(HH, 3, w, 0, 2)
                   MULA_DD_LDINC(LL, 0, x, 1, 3)
                   MULA_DD_LDINC(HH, 2, w, 1, 3)
                   MULA_DD_LDINC(LL, 1, x, 0, 2)
                   MULA_DD_LDINC(HH, 3, w, 0, 2)
                   MULA_DD(LL, 1, 3)
                   MULA_DD(HH, 1, 3)
                   RSR_ACCLO(sum)
                   : [x] "+r"(x), [w] "=&r"(w), [sum] "+r"(sum)
                   : [row] "r"(row), [rounds] "r"(quads - 1)
                   : "acc", "memory");
  *before = x;
  return sum;
#else
  uint32_t sum = (uint32_t)bias;
  for (int32_t i = 1; i <= 2 * quads; i++) {
    const uint32_t x = (*before)[i], w = row[i];
    sum += (uint32_t)((int16_t)x * (int16_t)w + (int16_t)(x >> 16) * (int16_t)(w >> 16));
  }
  *before += 2 * quads;
  return (int32_t)sum;
#endif
}

/* bias + the products of `rows` times 4 * quads halves. Rows of first factors are `gap` bytes apart,
 * those of the second ones follow each other; a word behind them is read, too.
 *
 * x, w  the word before the first factors and before the second ones */
static inline int32_t mac16_rows_product(const mac16_word *x, const mac16_word *w, int32_t rows,
                                         int32_t quads, int32_t gap, int32_t bias) {
#ifdef __XTENSA__
  int32_t sum = bias;
  __asm__ volatile(MAC16_NUMBERS
                   MAC16_ALIGN
                   WSR_ACCLO(sum)
                   LDINC(2, w)
                   "2:\n"
                   LDINC(0, x)
                   LOOPNEZ(rounds, 12)
                   MULA_DD_LDINC(LL, 1, x, 0, 2)
                   MULA_DD_LDINC(HH, 3, w, 0, 2)
                   MULA_DD_LDINC(LL, 0, x, 1, 3)
                   MULA_DD_LDINC(HH, 2, w, 1, 3)
                   MULA_DD_LDINC(LL, 1, x, 0, 2)
                   MULA_DD_LDINC(HH, 3, w, 0, 2)
                   MULA_DD(LL, 1, 3)
                   MULA_DD_LDINC(HH, 2, w, 1, 3)
                   "add %[x], %[x], %[gap]\n"
                   "addi %[rows], %[rows], -1\n"
                   "bnez %[rows], 2b\n"
                   RSR_ACCLO(sum)
                   : [x] "+r"(x), [w] "+r"(w), [rows] "+r"(rows), [sum] "+r"(sum)
                   : [rounds] "r"(quads - 1), [gap] "r"(gap)
                   : "acc", "memory");
  return sum;
#else
  for (; rows > 0; rows--, w += 2 * quads) {
    bias = mac16_dot_product(&x, w, quads, bias);
    x += gap / (int32_t)sizeof *x;
  }
  return bias;
#endif
}

/* Four weights from each of `count` words to halves. They are stored as bytes such that this
 * subtraction, with its borrow from the lower half, leaves both with their signs
 * (pipeline/aot/mac16/weights.py). */
static inline void mac16_widen_weights(const int32_t *four, int32_t count, mac16_word *halves) {
  const uint32_t bytes = 0x00ff00ff, offset = 0x007f0080;
  for (const int32_t *const end = four + count; four != end; four++, halves += 2) {
    const uint32_t word = (uint32_t)*four;
    halves[0] = (word & bytes) - offset;
    halves[1] = (word >> 8 & bytes) - offset;
  }
}

/* Keeps the first eight of nine weights, halves from `weights` on, in m0 to m3. */
static inline void mac16_keep_weights(const mac16_word *weights) {
#ifdef __XTENSA__
  __asm__ volatile(MAC16_NUMBERS WSR_M(0, w0) WSR_M(1, w1) WSR_M(2, w2) WSR_M(3, w3)
                   :
                   : [w0] "r"(weights[0]), [w1] "r"(weights[1]), [w2] "r"(weights[2]),
                     [w3] "r"(weights[3]));
#else
  (void)weights;
#endif
}

/* A row of a window of 3x3: its inputs are halves of two words in a row. */
typedef struct {
  uint32_t a, b;
} mac16_row;

#ifdef __XTENSA__
#define MAC16_WINDOW(products)                                                                \
  __asm__ volatile(MAC16_NUMBERS WSR_ACCLO(sum) products RSR_ACCLO(sum)                       \
                   : [sum] "+r"(sum)                                                          \
                   : [a0] "r"(top.a), [b0] "r"(top.b), [a1] "r"(middle.a), [b1] "r"(middle.b), \
                     [a2] "r"(bottom.a), [b2] "r"(bottom.b), [w8] "r"(weights[4])             \
                   : "acc")
#else
static inline int32_t mac16_row_product(mac16_row x, int second, const mac16_word *weights,
                                        int32_t first) {
  const uint64_t inputs = ((uint64_t)x.b << 32 | x.a) >> (second ? 16 : 0);
  int32_t sum = 0;
  for (int32_t i = 0; i < 3; i++) {
    const int32_t tap = first + i;
    sum += (int16_t)(inputs >> 16 * i) * (int16_t)(weights[tap / 2] >> 16 * (tap % 2));
  }
  return sum;
}
#endif

/* bias + the window times its weights, of which mac16_keep_weights has kept eight. It begins with
 * the first half of each row, or where `second` is set with the second one. */
static inline int32_t mac16_window(mac16_row top, mac16_row middle, mac16_row bottom, int second,
                                   const mac16_word *weights, int32_t bias) {
  int32_t sum = bias;
#ifdef __XTENSA__
  if (second) {
    MAC16_WINDOW(MULA_DA(LH, 0, a0) MULA_DA(HL, 0, b0) MULA_DA(LH, 1, b0)
                 MULA_DA(HH, 1, a1) MULA_AD(LL, b1, 2) MULA_AD(HH, b1, 2)
                 MULA_AD(HL, a2, 3) MULA_AD(LH, b2, 3) MULA_AA(HL, b2, w8));
  } else {
    MAC16_WINDOW(MULA_DA(LL, 0, a0) MULA_DA(HH, 0, a0) MULA_DA(LL, 1, b0)
                 MULA_DA(HL, 1, a1) MULA_AD(HL, a1, 2) MULA_AD(LH, b1, 2)
                 MULA_AD(LL, a2, 3) MULA_AD(HH, a2, 3) MULA_AA(LL, b2, w8));
  }
#else
  sum += mac16_row_product(top, second, weights, 0);
  sum += mac16_row_product(middle, second, weights, 3);
  sum += mac16_row_product(bottom, second, weights, 6);
#endif
  return sum;
}

#endif
