/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/boot/linux.c: a bzImage by Linux's 64-bit boot protocol (Linux, Documentation/arch/x86/boot.rst).
 *
 * The kernel is put where it prefers to be, the initrds behind one another at the end of low RAM, and the processor starts 0x200 bytes into the
 * kernel with RSI at the zero page. Randomness goes along as setup data.
 */
#include "monitor/boot/boot.h"
#include "lib/string.h"

/* Offsets in the file and in the zero page alike. */
#define HDR_SETUP_SECTS	 0x1f1
#define HDR_SYSSIZE	 0x1f4
#define HDR_VID_MODE	 0x1fa
#define HDR_BOOT_FLAG	 0x1fe
#define HDR_JUMP	 0x201 /* the header's length beyond 0x202 */
#define HDR_MAGIC	 0x202
#define HDR_VERSION	 0x206
#define HDR_LOADER	 0x210
#define HDR_LOADFLAGS	 0x211
#define HDR_CODE32	 0x214
#define HDR_RAMDISK	 0x218
#define HDR_RAMDISK_SIZE 0x21c
#define HDR_CMDLINE	 0x228
#define HDR_INITRD_MAX	 0x22c
#define HDR_ALIGNMENT	 0x230
#define HDR_RELOCATABLE	 0x234
#define HDR_XLOADFLAGS	 0x236
#define HDR_CMDLINE_SIZE 0x238
#define HDR_SETUP_DATA	 0x250
#define HDR_PREF_ADDRESS 0x258
#define HDR_INIT_SIZE	 0x260
#define HDR_END		 0x268
#define HDR_ROOM	 0x290 /* what follows in the zero page is not the header's */
#define ZERO_RSDP	 0x070
#define ZERO_E820_COUNT	 0x1e8
#define ZERO_E820	 0x2d0
#define XLF_KERNEL_64	 0x1u
#define LOADED_HIGH	 0x1u
#define SETUP_RNG_SEED	 9u
#define SEED_BYTES	 32u

int boot_is_linux(const struct engine_file *file)
{
	return file->bytes >= HDR_END && boot_u32(file->data + HDR_MAGIC) == 0x53726448 &&
	       boot_u16(file->data + HDR_BOOT_FLAG) == 0xaa55;
}

struct linux_image {
	const uint8_t *payload;
	uint64_t payload_bytes;
	uint64_t load, init_size; /* where it goes, and how much it needs there */
	uint64_t cmdline_most, initrd_most;
};

static unsigned long long mib(uint64_t bytes)
{
	return (bytes + 0xfffff) >> 20;
}

/* Everything that the header says, checked. */
static int parse(struct boot *boot, struct linux_image *image)
{
	const struct engine_file *file = &boot->vm->kernel;
	const uint8_t *data = file->data;
	unsigned version = boot_u16(data + HDR_VERSION), sectors = data[HDR_SETUP_SECTS] ? data[HDR_SETUP_SECTS] : 4;
	if (version < 0x020c)
		return boot_fail(boot, GYRE_STATUS_FAILED,
			"a Linux kernel of boot protocol %u.%02u: take one of 2.12 or later", version >> 8,
			version & 255);
	if (!(boot_u16(data + HDR_XLOADFLAGS) & XLF_KERNEL_64))
		return boot_fail(
			boot, GYRE_STATUS_FAILED, "a 32-bit Linux kernel, which cannot be started: take an x86-64 one");
	if (!(data[HDR_LOADFLAGS] & LOADED_HIGH))
		return boot_fail(boot, GYRE_STATUS_FAILED, "a zImage, which is loaded low: take a bzImage");
	uint64_t setup = (uint64_t)(sectors + 1) * 512, size = (uint64_t)boot_u32(data + HDR_SYSSIZE) * 16;
	if (setup >= file->bytes)
		return boot_fail(boot, GYRE_STATUS_FAILED,
			"damaged kernel: the file ends in its %u setup sectors (truncated?)", sectors);
	image->payload = data + setup;
	image->payload_bytes = file->bytes - setup;
	/* The size is in paragraphs, and the last one may be short; files may have a signature behind. */
	if (size < 0x210 || size > ((image->payload_bytes + 15) & ~15ull))
		return boot_fail(boot, GYRE_STATUS_FAILED,
			"damaged kernel: %llu bytes by its header, %llu in the file (truncated?)",
			(unsigned long long)size, (unsigned long long)image->payload_bytes);
	image->init_size = boot_u32(data + HDR_INIT_SIZE);
	image->cmdline_most = boot_u32(data + HDR_CMDLINE_SIZE);
	image->initrd_most = boot_u32(data + HDR_INITRD_MAX);
	if (image->init_size < image->payload_bytes)
		image->init_size = image->payload_bytes;
	return 0;
}

/* Where the kernel goes: where it prefers, else the lowest place that it can be at. */
static int place(struct boot *boot, struct linux_image *image)
{
	const uint8_t *data = boot->vm->kernel.data;
	uint64_t preferred = boot_u64(data + HDR_PREF_ADDRESS), align = boot_u32(data + HDR_ALIGNMENT),
		 top = boot->memory->below_4g;
	image->load = preferred;
	if (preferred >= MEMORY_HIGH && preferred < top && image->init_size <= top - preferred)
		return 0;
	if (data[HDR_RELOCATABLE] && align >= 0x1000 && align <= 0x40000000 && !(align & (align - 1))) {
		image->load = (MEMORY_HIGH + align - 1) & ~(align - 1);
		if (image->load < top && image->init_size <= top - image->load)
			return 0;
	}
	return boot_fail(boot, GYRE_STATUS_FAILED,
		"needs %llu MiB of RAM from 0x%llx on, the VM has %llu in all: use more --memory",
		mib(image->init_size), (unsigned long long)image->load, mib(boot->memory->bytes));
}

static int load_initrds(struct boot *boot, const struct linux_image *image, uint8_t *zero)
{
	uint64_t bytes = boot_initrd_bytes(boot), top = boot->memory->below_4g, low = image->load + image->init_size;
	if (!bytes)
		return 0;
	if (image->initrd_most + 1 < top)
		top = image->initrd_most + 1;
	if (top < low || bytes > top - low || bytes > UINT32_MAX)
		return boot_fail(boot, GYRE_STATUS_LACKS,
			"the initrds have %llu MiB, there is room for %llu: give the VM more memory", mib(bytes),
			top < low ? 0ull : (unsigned long long)((top - low) >> 20));
	uint64_t gpa = (top - bytes) & ~0xfffull;
	if (gpa < low)
		gpa = low;
	uint8_t *host = memory_at(boot->memory, gpa, bytes);
	memset(host, 0, bytes);
	boot_put32(zero + HDR_RAMDISK, (uint32_t)gpa);
	boot_put32(zero + HDR_RAMDISK_SIZE, (uint32_t)bytes);
	for (uint32_t i = 0; i < boot->vm->initrds; i++) {
		memcpy(host, boot->vm->initrd[i].data, boot->vm->initrd[i].bytes);
		host += (boot->vm->initrd[i].bytes + 3) & ~3ull;
	}
	return 0;
}

static int seed(struct boot *boot, uint8_t *zero)
{
	uint64_t gpa;
	uint8_t *data = boot_arena(boot, 16 + SEED_BYTES, 8, &gpa);
	if (!data)
		return -1;
	if (engine_random(data + 16, SEED_BYTES) != SEED_BYTES) {
		memset(data, 0, 16 + SEED_BYTES);
		return 0; /* then none is passed: an empty seed would be taken for a good one */
	}
	boot_put32(data + 8, SETUP_RNG_SEED);
	boot_put32(data + 12, SEED_BYTES);
	boot_put64(zero + HDR_SETUP_DATA, gpa);
	return 0;
}

static void memory_map(struct boot *boot, uint8_t *zero)
{
	struct memory_region region[MEMORY_REGIONS];
	unsigned count = memory_regions(boot->memory, region);
	for (unsigned i = 0; i < count; i++) {
		uint8_t *entry = zero + ZERO_E820 + 20 * i;
		boot_put64(entry, region[i].gpa);
		boot_put64(entry + 8, region[i].bytes);
		boot_put32(entry + 16, region[i].kind);
	}
	zero[ZERO_E820_COUNT] = (uint8_t)count;
}

/* A word of the command line. */
static int has_word(const char *line, const char *word)
{
	size_t length = strlen(word);
	for (const char *at = strstr(line, word); at; at = strstr(at + 1, word))
		if ((at == line || at[-1] == ' ') && (at[length] == ' ' || at[length] == 0))
			return 1;
	return 0;
}

int boot_linux(struct boot *boot)
{
	struct linux_image image = {0};
	const uint8_t *data = boot->vm->kernel.data;
	uint64_t cmdline;
	int error;
	if ((error = parse(boot, &image)) < 0 || (error = place(boot, &image)) < 0)
		return error;
	if (strlen(boot->vm->append) > image.cmdline_most)
		return boot_fail(boot, GYRE_STATUS_FAILED,
			"the command line has %llu characters, it takes %llu: shorten --append",
			(unsigned long long)strlen(boot->vm->append), (unsigned long long)image.cmdline_most);
	uint8_t *zero = memory_at(boot->memory, BOOT_ZERO_PAGE, 4096);
	uint8_t *host = memory_at(boot->memory, image.load, image.init_size);
	memset(zero, 0, 4096);
	unsigned header_end = HDR_MAGIC + data[HDR_JUMP];
	if (header_end > HDR_ROOM)
		header_end = HDR_ROOM;
	memcpy(zero + HDR_SETUP_SECTS, data + HDR_SETUP_SECTS,
		(header_end > HDR_END ? HDR_END : header_end) - HDR_SETUP_SECTS);
	memcpy(host, image.payload, image.payload_bytes);
	if ((error = load_initrds(boot, &image, zero)) < 0 ||
		(error = boot_string(boot, boot->vm->append, "", &cmdline)) < 0 || (error = seed(boot, zero)) < 0)
		return error;
	zero[HDR_LOADER] = 0xff;
	zero[HDR_VID_MODE] = zero[HDR_VID_MODE + 1] = 0xff; /* as it is */
	boot_put32(zero + HDR_CODE32, (uint32_t)image.load);
	boot_put32(zero + HDR_CMDLINE, (uint32_t)cmdline);
	boot_put64(zero + ZERO_RSDP, boot->rsdp);
	memory_map(boot, zero);

	boot->mode = BOOT_LONG;
	boot->rip = image.load + 0x200;
	boot->rsi = BOOT_ZERO_PAGE;
	boot->x2apic = !has_word(boot->vm->append, "acpi=off") && !has_word(boot->vm->append, "nox2apic") &&
		       !has_word(boot->vm->append, "nolapic") && !has_word(boot->vm->append, "disableapic");
	return 0;
}
