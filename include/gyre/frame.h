/* SPDX-License-Identifier: Apache-2.0 */
/*
 * include/gyre/frame.h: frames on COM2 between an emulated machine and the gyre command at its other end, both ways.
 * 8 bytes of header, then length bytes. All numbers little-endian.
 *
 * On the line    A frame's first byte, GYRE_FRAME_MAGIC0, is found nowhere else: behind it, a byte of this value and GYRE_FRAME_ESCAPE itself are two,
 *                GYRE_FRAME_ESCAPE and the byte with its highest bit changed. So no bytes of a guest's are ever a frame, wherever a reader begins; and
 *                the core, which takes the line over when it stops, breaks off what root had begun by a frame of its own.
 * A reader       drops what it has when a first byte comes, and what is no frame up to the next one.
 */
#ifndef GYRE_FRAME_H
#define GYRE_FRAME_H

#include <stdint.h>

#define GYRE_FRAME_MAGIC0  0xf5u
#define GYRE_FRAME_MAGIC1  0x47u
#define GYRE_FRAME_ESCAPE  0xf6u
#define GYRE_FRAME_DATA	   4096u /* most data in one frame */
#define GYRE_FRAME_MACHINE 0xffu /* vm: the machine itself, core or root */

struct gyre_frame_header {
	uint8_t magic0, magic1;
	uint8_t type; /* enum gyre_frame_type */
	uint8_t vm;   /* number in the description, or GYRE_FRAME_MACHINE */
	uint16_t length;
	uint8_t sequence; /* counts up per direction; a gap is reported */
	uint8_t check;	  /* XOR of the seven bytes before it */
};
_Static_assert(sizeof(struct gyre_frame_header) == 8, "");

static inline uint8_t gyre_frame_check(const struct gyre_frame_header *header)
{
	const uint8_t *byte = (const uint8_t *)header;
	uint8_t check = 0;
	for (unsigned i = 0; i + 1 < sizeof(*header); i++)
		check ^= byte[i];
	return check;
}

/* How a byte of a frame, behind the first one, goes over the line: how many bytes of line[] that is. */
static inline unsigned gyre_frame_byte(uint8_t byte, uint8_t line[2])
{
	int is_plain = byte != GYRE_FRAME_MAGIC0 && byte != GYRE_FRAME_ESCAPE;
	line[0] = is_plain ? byte : GYRE_FRAME_ESCAPE;
	line[1] = byte ^ 0x80;
	return is_plain ? 1 : 2;
}

/* The most that a frame with that much data takes on the line. */
#define GYRE_FRAME_LINE(bytes) (2 * (sizeof(struct gyre_frame_header) + (bytes)))

/* The header of a frame with that much data (at most GYRE_FRAME_DATA). */
static inline struct gyre_frame_header gyre_frame_header(uint8_t type, uint8_t vm, uint16_t length, uint8_t sequence)
{
	struct gyre_frame_header header = {
		.magic0 = GYRE_FRAME_MAGIC0,
		.magic1 = GYRE_FRAME_MAGIC1,
		.type = type,
		.vm = vm,
		.length = length,
		.sequence = sequence,
	};
	header.check = gyre_frame_check(&header);
	return header;
}

enum gyre_frame_type {
	GYRE_FRAME_LOG = 1,	/* text, whole lines, from the core, root (vm = MACHINE) or a monitor */
	GYRE_FRAME_CONSOLE = 2, /* bytes of a VM's serial console, both ways (the first VM's console is COM1 itself) */
	GYRE_FRAME_EXIT = 3,	/* struct gyre_frame_exit: this VM has ended */
	GYRE_FRAME_MACHINE_END = 4, /* the machine powers off next: i32 exit code */
	GYRE_FRAME_PANIC = 5,	    /* text: the core stopped */
	GYRE_FRAME_TRACE = 6,	    /* struct gyre_trace_record[] */
	GYRE_FRAME_COUNTERS =
		7, /* struct gyre_vcpu_counters of one vcpu at its end, then u64[8] core figures (see services/root) */
	GYRE_FRAME_READY = 8,  /* root listens: host may send */
	GYRE_FRAME_QUIT = 9,   /* host to root: end the machine */
	GYRE_FRAME_DEBUG = 10, /* bytes of the debugger's protocol, both ways; to the machine also GYRE_DEBUG_GONE */
	GYRE_FRAME_STATE = 11, /* saved state */
	GYRE_FRAME_CONTROL =
		12, /* host to root: struct gyre_control_request; root to host: struct gyre_control_reply and what follows it */
};

/* In the bytes of DEBUG frames: the debugger went. No byte of its protocol has this value; if it sends one, the command leaves it out. */
#define GYRE_DEBUG_GONE 0x04u

struct gyre_frame_exit {
	int32_t code;	 /* as the gyre command returns it */
	uint32_t reason; /* enum gyre_end_reason, config.h */
	char text[112];	 /* for people, zero-padded */
};

/*
 * ---- CONTROL: VMs are started, stopped and killed from outside (docs/control.md) ----
 * A request concerns the VM of its frame's header. Root answers each with one reply, and LIST with several where one frame is too small: the last has more = 0.
 * A request of another size, or that root does not know, is answered with GYRE_STATUS_USAGE; one that comes while replies of earlier ones still wait
 * for room on the line is lost: who asks has a time-out of its own.
 */
enum gyre_control {
	GYRE_CONTROL_LIST = 1,
	GYRE_CONTROL_START = 2,
	GYRE_CONTROL_STOP = 3, /* asks the guest by its power button; the reply says only that it was asked */
	GYRE_CONTROL_KILL = 4,
	GYRE_CONTROL_ACCOUNTS = 5,
};

struct gyre_control_request {
	uint32_t id;   /* comes back in the reply */
	uint32_t what; /* enum gyre_control */
};

struct gyre_control_reply {
	uint32_t id, what;
	int32_t code;	/* GYRE_STATUS_ */
	uint32_t more;	/* another reply to the same request follows */
	uint32_t count; /* LIST: of struct gyre_control_vm behind this; ACCOUNTS: of struct gyre_control_accounts */
	uint32_t reserved;
	char text[112]; /* for people, zero-padded */
};

enum gyre_vm_state {
	GYRE_STATE_NEW = 0, /* never started */
	GYRE_STATE_RUNNING = 1,
	GYRE_STATE_STOPPING = 2,   /* runs, and was asked to power off */
	GYRE_STATE_ENDING = 3,	   /* has ended; its last words are on their way */
	GYRE_STATE_RESTARTING = 4, /* has ended, and is about to be started again */
	GYRE_STATE_ENDED = 5,
	GYRE_STATES = 6
};

struct gyre_control_vm {
	char name[32];	/* GYRE_NAME_BYTES */
	uint32_t state; /* enum gyre_vm_state */
	int32_t code;	/* of its last end, as struct gyre_frame_exit has it */
	uint32_t reason;
	uint32_t starts;   /* in all */
	uint32_t restarts; /* of those, since it was last asked to start, by root itself */
	uint32_t frames;   /* of the core's pool that it uses now */
	uint64_t memory;   /* bytes of its RAM */
	char text[112];	   /* of its last end */
};

/* What is held now (accounts=on), and how often it was compared with what was held before a VM's start. */
struct gyre_control_accounts {
	uint64_t pages_free, frames, objects, handles, root_frames, root_handles;
	uint64_t compared, differed;
	uint32_t running; /* VMs that exist now; what they hold is in the figures */
	uint32_t reserved;
};

#endif
