/*
 * Tests of the generator that need a program around it. The program maps the
 * image into itself as ../region does and calls both entries; most tests do
 * that in a child and hold it by ptrace, see target.c.
 */
#ifndef HARNESS_H
#define HARNESS_H

#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/user.h>

typedef uint64_t u64;
typedef uint32_t u32;
typedef uint16_t u16;
typedef uint8_t u8;

#define PAGE 4096UL
#define SLOT_SIZE 2048UL	/* beside it, its secrets have a page */
#define BATCH 2016
#define UNIT 1024
#define NR_GETRANDOM 318

/* A number that the test was started with as name=number, or 0; and as text. */
u64 num(const char *name);
const char *text(const char *name);

void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
extern int failures;
extern char context[256];	/* begins each message */

u64 rnd(void);		/* splitmix64 from the seed; nothing that is handed out */

int pin(void);		/* to the processor that it runs on, which it returns */

/* Maps the image and runs the handoff routine, in this process. */
void adopt(void);
/* Addresses of it, from the arguments. */
extern u64 base, vdso, reflected, gate, slots, secrets, locks;
extern u64 slots_size, secrets_size;	/* bytes */
extern volatile u64 *control;	/* writable, our own mapping */
extern u64 state_size;
/* MAP_DROPPABLE or MAP_PRIVATE, as the query says. */
extern u32 state_flags;

/* What mutants keep outside the slots stands here, as big as the slots. */
#define EXTRA (base + num("size"))

typedef long getrandom_fn(void *, u64, u32, void *, u64);

int run_explore(void);
int run_secrets(void);
int run_model(void);
int run_restore(void);
int run_stress(void);
int run_entry(void);
int run_maps(void);
int run_core(void);

#endif
