/* Nothing here is timed but calls of the runtime: small is better than fast. */
#pragma GCC optimize("Os")

#include "mlperf.h"

#include <string.h>

#include "clock.h"
#include "mlperf_results.h"
#include "model_info.h"
#include "model_io.h"
#include "port.h"
#include "runtime.h"
#include "text.h"

enum { COMMAND_CHARACTERS = 80, DB_LINE_BYTES = 8, DEFAULT_WARMUPS = 10, FRAME_SILENCE_S = 2 };

static struct {
  char text[COMMAND_CHARACTERS + 1];
  uint32_t count;
  bool too_long;
  bool in_frame; /* until the next 0x00 */
  uint32_t second; /* when the last byte came */
} receiver;

/* How much of the input `db load` announced, and how much has come. After reset the staging area
 * counts as loaded: all zero, or what frames have put there. */
static uint32_t db_bytes = MODEL_INPUT_BYTES;
static uint32_t db_loaded = MODEL_INPUT_BYTES;

static bool has_runtime;

/* Frames were the last that was on the line, the greeting's first of all: they end no line. */
static bool line_is_open = true;

static void error(const char *text) {
  text_string("e-[");
  text_string(text);
  text_string("]\r\n");
}

/* `before` and `after` may hold the ends of a line. */
static void number_between(const char *before, uint32_t value, const char *after) {
  text_string(before);
  text_decimal(value, 1);
  text_string(after);
}

static bool equal(const char *a, const char *b) {
  while (*a != '\0' && *a == *b) {
    a++;
    b++;
  }
  return *a == *b;
}

/* The next word of *rest, which it cuts off; empty where there is none. */
static const char *next_word(char **rest) {
  char *word = *rest;
  while (*word == ' ') {
    word++;
  }
  char *end = word;
  while (*end != '\0' && *end != ' ') {
    end++;
  }
  *rest = *end == '\0' ? end : end + 1;
  *end = '\0';
  return word;
}

/* The digits in front, as atoi reads them; UINT32_MAX for what is larger. */
static uint32_t number(const char *word) {
  uint32_t value = 0;
  for (; *word >= '0' && *word <= '9'; word++) {
    const uint32_t digit = (uint32_t)(*word - '0');
    value = value > (UINT32_MAX - digit) / 10 ? UINT32_MAX : value * 10 + digit;
  }
  return value;
}

/* -1 for what is no hexadecimal digit. */
static int hex_digit(char character) {
  if (character >= '0' && character <= '9') {
    return character - '0';
  }
  const char lower = (char)(character | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static void name(char *arguments) {
  (void)arguments;
  text_string("m-name-dut-[");
  text_string(port_name());
  text_string("]\r\n");
}

static void profile(char *arguments) {
  (void)arguments;
  text_string("m-profile-[ULPMark for tinyML Firmware V0.0.1]\r\n"
              "m-model-[" MODEL_NAME "]\r\n");
}

static void help(char *arguments) {
  (void)arguments;
  text_string("name, profile, help, timestamp, results\r\n"
              "db load BYTES, db HH[HH]*, db print\r\n"
              "infer [N=1] [WARMUPS=10]\r\n");
}

/* Long division, one decimal place after the other, as in clock_now. */
static void timestamp(char *arguments) {
  (void)arguments;
  const clock_time now = clock_now();
  const uint32_t hz = port_counter_hz();
  uint64_t rest = now.ticks;
  uint32_t microseconds = 0;
  for (int place = 0; place < 6; place++) {
    microseconds *= 10;
    for (rest *= 10; rest >= hz; rest -= hz) {
      microseconds++;
    }
  }
  text_string("m-lap-us-");
  if (now.seconds > 0) {
    text_decimal(now.seconds, 1);
  }
  text_decimal(microseconds, now.seconds > 0 ? 6 : 1);
  text_string("\r\n");
}

static void results(char *arguments) {
  (void)arguments;
  if (has_runtime) {
    mlperf_results();
  } else {
    error("The runtime could not prepare the model");
  }
}

static bool infer_times(uint32_t count) {
  while (count-- > 0) {
    model_io_load_inputs();
    if (!runtime_invoke(NULL)) {
      error("The runtime failed");
      return false;
    }
    (void)clock_now(); /* the next one may last as long as the counter's turn */
  }
  return true;
}

static void timed_inferences(uint32_t count, uint32_t warmups) {
  number_between("m-warmup-start-", warmups, "\r\n");
  if (!infer_times(warmups)) {
    return;
  }
  number_between("m-warmup-done\r\nm-infer-start-", count, "\r\n");
  timestamp(NULL);
  if (!infer_times(count)) {
    return;
  }
  timestamp(NULL);
  text_string("m-infer-done\r\n");
  mlperf_results();
}

static void infer(char *arguments) {
  const char *count = next_word(&arguments);
  const char *warmups = next_word(&arguments);
  if (*count != '\0' && number(count) == 0) {
    error("Inference iterations must be >0");
  } else if (*warmups == '-') {
    error("Inference warmup must be >=0");
  } else if (!has_runtime) {
    error("The runtime could not prepare the model");
  } else if (db_loaded != MODEL_INPUT_BYTES) {
    number_between("e-[Input db has ", db_loaded, " bytes, expected ");
    number_between("", MODEL_INPUT_BYTES, "]\r\n");
  } else {
    timed_inferences(*count == '\0' ? 1 : number(count),
                     *warmups == '\0' ? DEFAULT_WARMUPS : number(warmups));
  }
}

static void db_load(const char *bytes) {
  if (*bytes == '\0') {
    error("Command 'db load' requires the # of bytes");
    return;
  }
  db_loaded = 0;
  db_bytes = number(bytes);
  if (db_bytes == 0) {
    error("Command 'db load' must be >0 bytes");
  } else if (db_bytes > MODEL_INPUT_BYTES) {
    number_between("e-[Supplied buffer size ", db_bytes, " exceeds maximum of ");
    number_between("", MODEL_INPUT_BYTES, "]\r\n");
    db_bytes = 0;
  } else {
    number_between("m-[Expecting ", db_bytes, " bytes]\r\n");
  }
}

static void db_print(void) {
  for (uint32_t i = 0; i < db_bytes; i++) {
    const bool ends = (i + 1) % DB_LINE_BYTES == 0 || i + 1 == db_bytes;
    if (i % DB_LINE_BYTES == 0) {
      text_string("m-buffer-");
    }
    text_hex(model_io_staged(i) ^ MODEL_DB_MASK);
    text_string(ends ? "\r\n" : "-");
  }
  /* The reference ends a broken last line twice. */
  if (db_bytes % DB_LINE_BYTES != 0) {
    text_string("\r\n");
  }
}

static void db_hex(const char *digits) {
  if (strlen(digits) % 2 != 0) {
    error("Insufficent number of hex digits"); /* the reference's spelling */
    return;
  }
  for (; *digits != '\0'; digits += 2) {
    const int high = hex_digit(digits[0]);
    const int low = hex_digit(digits[1]);
    if (high < 0 || low < 0) {
      const char pair[] = {digits[0], digits[1], '\0'};
      text_string("e-[Invalid hex digit '");
      text_string(pair);
      text_string("']\r\n");
      return;
    }
    if (db_loaded == db_bytes) {
      error("Command 'db' requires 'db load' first");
      return;
    }
    const uint8_t byte = (uint8_t)((high << 4 | low) ^ MODEL_DB_MASK);
    (void)model_io_stage(db_loaded++, &byte, 1);
    if (db_loaded == db_bytes) {
      text_string("m-load-done\r\n");
      return; /* digits beyond the last byte are disregarded */
    }
  }
}

static void db(char *arguments) {
  const char *what = next_word(&arguments);
  if (*what == '\0') {
    error("Command 'db' requires a subcommand");
  } else if (equal(what, "load")) {
    db_load(next_word(&arguments));
  } else if (equal(what, "print")) {
    db_print();
  } else {
    db_hex(what);
  }
}

static const struct {
  const char *name;
  void (*run)(char *arguments);
} commands[] = {
    {"name", name}, {"profile", profile}, {"help", help},       {"timestamp", timestamp},
    {"db", db},     {"infer", infer},     {"results", results},
};

static void run_command(char *text) {
  const char *word = next_word(&text);
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
    if (equal(word, commands[i].name)) {
      commands[i].run(text);
      return;
    }
  }
  text_string("e-[Unknown command: ");
  text_string(word);
  text_string("]\r\n");
}

static void finish_command(void) {
  if (line_is_open) {
    text_string("\r\n");
    line_is_open = false;
  }
  if (receiver.too_long) {
    error("Command longer than 80 characters");
  } else {
    receiver.text[receiver.count] = '\0';
    run_command(receiver.text);
  }
  text_string("m-ready\r\n");
}

static void forget_command(void) {
  receiver.count = 0;
  receiver.too_long = false;
}

/* Whether the byte belongs to a frame: from a byte that is no text up to the next 0x00, or to a
 * silence that no frame has. The second byte of every frame, its type, is no text. */
static bool is_of_frame(uint8_t byte) {
  const uint32_t second = clock_now().seconds;
  if (byte == 0 || second - receiver.second >= FRAME_SILENCE_S) {
    receiver.in_frame = false;
  }
  receiver.second = second;
  const bool is_text = (byte >= ' ' && byte <= '~') || byte == '\r' || byte == '\n';
  receiver.in_frame = receiver.in_frame || (byte != 0 && !is_text);
  return receiver.in_frame || byte == 0;
}

void mlperf_receive(uint8_t byte, bool runtime_ready) {
  has_runtime = runtime_ready;
  if (is_of_frame(byte)) {
    line_is_open = true;
    forget_command();
  } else if (byte == '%') {
    /* A frame may begin with this byte: without a command it means nothing. */
    if (receiver.count > 0) {
      finish_command();
    }
    forget_command();
  } else if (byte == '\r' || byte == '\n') {
    /* Of a terminal that sends whole lines. */
  } else if (receiver.count == COMMAND_CHARACTERS) {
    receiver.too_long = true;
  } else {
    receiver.text[receiver.count++] = (char)byte;
  }
}
