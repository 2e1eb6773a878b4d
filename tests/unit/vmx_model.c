/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/vmx_model.c: see vmx_model.h. */
#include "tests/unit/vmx_model.h"

#include "core/virt/vmx/apicv.c"
#include "core/virt/vmx/control.c"
#include "core/virt/vmx/events.c"
#include "core/virt/vmx/exit.c"
#include "core/virt/vmx/run.c"
#include "core/virt/vmx/slow.c"
#include "core/virt/vmx/state.c"
#include "core/virt/vmx/tlb.c"

struct model model;
struct vmx_fixture *virt;
struct vmx_features vmx_features;
struct vmx_cpu vmx_cpus[CPU_MAX];
struct cpu_features cpu_features;
struct barriers barriers;
struct cpu *unit_cpu;
uint64_t unit_tsc;

/* ---- VMREAD and VMWRITE ---- */
static uint64_t width(uint32_t field)
{
	static const uint64_t widths[] = {0xffff, UINT64_MAX, 0xffffffff, UINT64_MAX};
	return widths[field >> 13 & 3];
}

uint64_t vmx_read(uint32_t field)
{
	assert_true(field < 0x7000);
	return model.field[field];
}

void vmx_write(uint32_t field, uint64_t value)
{
	assert_true(field < 0x7000);
	if ((field >> 10 & 3) == 1) /* what an exit tells is read-only */
		fail_msg("a write of field %x", field);
	model.field[field] = value & width(field);
}

/* ---- other instructions ---- */
void model_msr_write(uint32_t index, uint64_t value)
{
	uint64_t *msr = index == MSR_STAR ? &model.star : index == MSR_LSTAR ? &model.lstar : &model.sfmask;
	assert_true(index == MSR_STAR || index == MSR_LSTAR || index == MSR_SFMASK);
	*msr = value;
}

/* ---- the TLB. SDM vol. 3, "Operations that Invalidate Cached Mappings" ---- */
void model_invept(uint64_t type, uint64_t eptp)
{
	model.invept++;
	assert_true(type == INVALIDATE_SINGLE || type == INVALIDATE_ALL);
	for (unsigned i = 0; i < MODEL_TLB; i++)
		if (type == INVALIDATE_ALL || model.tlb[i].eptp == eptp)
			model.tlb[i].valid = false;
}

void model_invvpid(uint64_t type, uint64_t vpid)
{
	model.invvpid++;
	assert_true(type == INVALIDATE_ALL || (type == INVALIDATE_SINGLE && vpid != 0 && vpid < 0x10000));
	for (unsigned i = 0; i < MODEL_TLB; i++)
		if (type == INVALIDATE_ALL || model.tlb[i].vpid == vpid)
			model.tlb[i].valid = false;
}

void model_debug_load(struct vcpu *vcpu)
{
	memcpy(model.dr, vcpu->dr, sizeof(model.dr));
	vcpu->dr_loaded = true;
}

void model_debug_unload(struct vcpu *vcpu)
{
	memcpy(vcpu->dr, model.dr, sizeof(model.dr));
	memset(model.dr, 0, sizeof(model.dr));
	vcpu->dr_loaded = false;
}

/* ---- what an entry is refused for. SDM vol. 3, "Checks on VMX Controls", "Checks on the Guest State Area" ---- */
static const char *event_refusal(void)
{
	uint32_t event = (uint32_t)F(ENTRY_EVENT), type = event >> 8 & 7, vector = event & 0xff;
	uint64_t blocked = F(INTERRUPTIBILITY);
	bool error = (event & GYRE_EVENT_ERROR) != 0;
	if ((event & GYRE_EVENT_VALID) == 0)
		return NULL;
	if ((event & 0x7ffff000) != 0 || type == 1 || type == 7)
		return "an event of no kind";
	if ((type == 2 && vector != 2) || (type == 3 && vector > 31))
		return "a vector that its kind has not";
	if (error && (type != 3 || (F(CR0) & 1) == 0 || (0x27d00u >> vector & 1) == 0))
		return "an error code where there is none";
	if (!error && type == 3 && (F(CR0) & 1) != 0 && (0x27d00u >> vector & 1) != 0)
		return "no error code";
	if (error && F(ENTRY_ERROR) >> 15 != 0)
		return "reserved bits of the error code";
	if (type >= 4 && (F(ENTRY_LENGTH) == 0 || F(ENTRY_LENGTH) > 15))
		return "the length of an instruction";
	if (type == 0 && (F(RFLAGS) & RFLAGS_IF) == 0)
		return "an interrupt with IF clear";
	if ((type == 0 || type == 2) && (blocked & (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS)) != 0)
		return "an interrupt or NMI in a shadow";
	if (type == 2 && (blocked & BLOCKED_BY_NMI) != 0)
		return "an NMI while they are blocked";
	return NULL;
}

static const char *control_refusal(void)
{
	const struct vmx_features *f = &vmx_features;
	uint64_t cr0 = F(CR0), cr4 = F(CR4), efer = F(EFER);
	uint64_t free_bits = f->unrestricted ? CR0_PE | CR0_PG : 0;
	bool paging = (cr0 & CR0_PG) != 0, long_mode = (F(ENTRY_CONTROLS) & ENTRY_LONG_MODE) != 0;
	if ((f->cr0_fixed0 & ~free_bits & ~cr0) != 0 || (cr0 & ~f->cr0_fixed1) != 0)
		return "fixed bits of CR0";
	if ((f->cr4_fixed0 & ~cr4) != 0 || (cr4 & ~f->cr4_fixed1) != 0)
		return "fixed bits of CR4";
	if (paging && (cr0 & CR0_PE) == 0)
		return "PG without PE";
	if (long_mode && (!paging || (cr4 & CR4_PAE) == 0))
		return "long mode without paging";
	if (!long_mode && (cr4 & CR4_PCIDE) != 0)
		return "PCIDE outside long mode";
	if (((efer & EFER_LMA) != 0) != long_mode || (paging && ((efer & EFER_LMA) != 0) != ((efer & EFER_LME) != 0)))
		return "LMA";
	if ((f->controls_must & ~F(CONTROLS)) != 0)
		return "controls that must be 1";
	for (unsigned i = 0; paging && !long_mode && (cr4 & CR4_PAE) != 0 && i < 4; i++)
		if ((model.field[VMCS_PDPTE + 2 * i] & 1) != 0 && (model.field[VMCS_PDPTE + 2 * i] & 0x1e6) != 0)
			return "reserved bits of a PDPTE";
	return NULL;
}

const char *model_refusal(void)
{
	uint64_t blocked = F(INTERRUPTIBILITY), rflags = F(RFLAGS);
	uint64_t shadow = blocked & (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS);
	bool bs = (F(PENDING_DEBUG) & PENDING_DEBUG_BS) != 0, tf = (rflags & RFLAGS_TF) != 0;
	const char *why = control_refusal();
	if (why != NULL || (why = event_refusal()) != NULL)
		return why;
	if (shadow == (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS))
		return "both shadows";
	if ((blocked & BLOCKED_BY_STI) != 0 && (rflags & RFLAGS_IF) == 0)
		return "STI's shadow with IF clear";
	if (shadow != 0 && tf != bs)
		return "a shadow, TF, and no trap that is due, or one without TF";
	if ((rflags & 2) == 0 || (rflags & ~0x3f7fd7ull) != 0)
		return "RFLAGS";
	if ((rflags & RFLAGS_VM) != 0 && (F(ENTRY_CONTROLS) & ENTRY_LONG_MODE) != 0)
		return "VM in long mode";
	if (F(DR7) >> 32 != 0)
		return "DR7";
	if (!vmx_code_64(V) && F(RIP) >> 32 != 0)
		return "RIP outside 64-bit code";
	return NULL;
}

/* ---- entries and exits ---- */
static void entry_is_legal(void)
{
	const char *why = model_refusal();
	if (why != NULL)
		fail_msg("the processor refuses to enter: %s", why);
	model.entries++;
	model.field[VMCS_VECTORING] = 0;
	model.field[VMCS_ENTRY_EVENT] &= ~(uint64_t)GYRE_EVENT_VALID;
}

static uint32_t answer(void)
{
	uint32_t next = vmx_exit(V);
	return next == VMX_SLOW ? (uint32_t)vmx_exit_slow(V) : next;
}

uint32_t exit_with(uint32_t reason, uint64_t qualification)
{
	entry_is_legal();
	F(EXIT_REASON) = reason;
	F(QUALIFICATION) = qualification;
	return answer();
}

uint32_t exit_within(uint32_t vectoring, uint32_t error, uint32_t reason, uint64_t qualification)
{
	entry_is_legal();
	F(EXIT_REASON) = reason;
	F(QUALIFICATION) = qualification;
	F(VECTORING) = vectoring;
	F(VECTORING_ERROR) = error;
	if ((vectoring & 0x700) == GYRE_EVENT_NMI && (vectoring & GYRE_EVENT_VALID) != 0)
		F(INTERRUPTIBILITY) |= BLOCKED_BY_NMI;
	return answer();
}

static jmp_buf out;
static volatile uint32_t outcome;

static _Noreturn void end_with(uint32_t what)
{
	outcome = what;
	longjmp(out, 1);
}

_Noreturn void model_enter(const struct cpu *cpu, const struct vmx_vcpu *v)
{
	assert_ptr_equal(cpu, v->vcpu.cpu);
	end_with(ENTERED);
}

_Noreturn void model_resume(const struct cpu *cpu, uint64_t kind)
{
	assert_ptr_equal(cpu, &virt->cpu);
	end_with((uint32_t)kind);
}

void vcpu_left(struct cpu *cpu, struct vcpu *vcpu, enum vcpu_next next)
{
	(void)cpu;
	vcpu->in_guest = false;
	end_with(next == VCPU_MONITOR ? vcpu->exit_kind : LEFT(next));
}

void vcpu_left_slow(struct cpu *cpu, struct vcpu *vcpu, uint32_t kind)
{
	(void)cpu, (void)vcpu;
	end_with(kind);
}

uint32_t outcome_of(void (*what)(void))
{
	if (setjmp(out) == 0)
		what();
	return outcome;
}

/* ---- what the sources under test find in the core ---- */
void vcpu_hold(struct cpu *cpu, struct vcpu *vcpu)
{
	(void)cpu;
	vcpu->thread = NULL;
}

struct vcpu *vcpu_of_lapic(struct vlapic *lapic)
{
	return container_of(lapic, struct vcpu, lapic);
}

void vcpu_wake(struct vcpu *vcpu)
{
	(void)vcpu;
}

void vlapic_notify(struct vlapic *lapic)
{
	vcpu_hazard_set(vcpu_of_lapic(lapic), VCPU_HAZARD_EVENTS);
}

void vlapic_timer_set(struct vlapic *lapic, uint64_t host_tsc)
{
	(void)lapic;
	virt->timer_at = host_tsc;
}

uint64_t vlapic_host_tsc(void)
{
	return virt->now;
}

int msr_write_safe(uint32_t msr, uint64_t value)
{
	(void)msr, (void)value;
	return 0;
}

bool vm_doorbell(struct cpu *cpu, struct vm *vm, uint16_t port, unsigned int size, uint32_t value)
{
	(void)cpu, (void)vm, (void)port, (void)size, (void)value;
	return model.doorbell_rings;
}

bool aspace_dirty_fault(struct aspace *aspace, uint64_t page)
{
	(void)aspace, (void)page;
	return model.page_is_logged;
}

void aspace_dirty_logged(struct aspace *aspace, uint64_t page)
{
	(void)aspace;
	model.logged_page[model.logged++] = page;
}

void log_warn(const char *format, ...)
{
	(void)format;
	model.warnings++;
}

void machine_check(const struct regs *regs)
{
	(void)regs;
	model.machine_checks++;
}

void cpu_lend(struct cpu *cpu, struct cpu_lent *lent)
{
	cpu->lent = lent;
}

bool cpu_take_back(struct cpu *cpu)
{
	bool lent = cpu->lent != NULL;
	cpu->lent = NULL;
	return lent;
}

struct vmx_vcpu *vmx_reach(struct vmx_vcpu *v)
{
	(void)v;
	return NULL;
}

void vmx_not_launched(struct vmx_vcpu *v)
{
	v->launched = false;
}

void vmx_host_state(struct cpu *cpu, struct vmx_vcpu *v)
{
	(void)cpu;
	v->point_traced = v->vcpu.trace != NULL;
}

uint64_t vmx_msr_bitmap(bool virtual_apic)
{
	return virtual_apic ? 0x2000 : 0x1000;
}

void vmx_dump(struct vcpu *vcpu)
{
	(void)vcpu;
}

/* ---- set-up ---- */
static void processor(void)
{
	vmx_features = (struct vmx_features){
		.controls = 0x04006172,
		.controls_must = 0x04006172,
		.entry_controls = 0xd1fb & ~ENTRY_LONG_MODE,
		.cr0_fixed0 = 0x80000021,
		.cr0_fixed1 = 0xffffffff,
		.cr4_fixed0 = 0x2040,
		.cr4_fixed1 = 0x3767ff,
		.timer_ticks = 1000,
		.unrestricted = true,
		.vpid = true,
		.ept_ad = true,
		.invept_single = true,
		.invvpid_single = true,
	};
	asid_pool_init(&vmx_cpus[0].vpids, 0x10000, true, false);
}

int vmx_set_up(void **state)
{
	const struct control now = {0x80050033, 0x1000, 0x6f0 & ~0x10ull, 0xd01};
	struct vcpu *vcpu;
	virt = aligned_alloc(4096, (sizeof(*virt) + 4095) & ~4095ul);
	memset(virt, 0, sizeof(*virt));
	memset(&model, 0, sizeof(model));
	*state = virt;
	unit_cpu = &virt->cpu;
	processor();
	virt->now = 1000000;
	vcpu = &virt->v.vcpu;
	vcpu->cpu = &virt->cpu;
	vcpu->vm = &virt->vm;
	vcpu->page = calloc(1, 4096);
	vcpu->counters = calloc(1, 4096);
	vcpu->state = calloc(1, 4096);
	vcpu->cpuid = calloc(1, 4096);
	vlapic_init(&vcpu->lapic, calloc(1, 4096), &virt->vm.bus, 0, true);
	virt->vm.bus.member[0] = &vcpu->lapic;
	virt->vm.bus.count = 1;
	vlapic_mmio_write(&vcpu->lapic, APIC_SVR, 0x1ff);
	vcpu->policy = (struct gyre_vcpu_policy){
		.abi = GYRE_VCPU_ABI,
		.cr0_allowed = 0xe005003f,
		.cr4_allowed = 0x3706ff & ~0x100ull,
		.efer_allowed = 0xd01,
		.xcr0_allowed = 7,
		.physical_bits = 40,
		.apic_timer_khz = 1000000,
		.tsc_khz = 1000000,
	};
	vcpu->policy.ram[0] = (struct gyre_ram_window){0, sizeof(virt->ram), (uint64_t)virt->ram};
	vcpu->offers = (struct vcpu_offers){true, true, true, true, true, true, true, true};
	fetch_forget(&vcpu->fetch);
	V->controls = vmx_features.controls;
	V->cr0_own = VMX_CR0_OWN;
	V->cr4_own = VMX_CR4_OWN & vcpu->policy.cr4_allowed;
	V->identity_table = 0x8000;
	V->dr6 = DR6_RESET;
	V->launched = true;
	model.dr6 = DR6_RESET;
	vmx_write(VMCS_CONTROLS, V->controls);
	vmx_control_set(V, &now);
	vmx_write(VMCS_DR7, 0x400);
	vmx_write(VMCS_RFLAGS, 0x202);
	vmx_write(VMCS_CS_RIGHTS, 0xa09b);
	vmx_write(VMCS_SS_RIGHTS, 0xc093);
	vmx_write(VMCS_RIP, 0x1000);
	F(LENGTH) = 2;
	vcpu->hazard = 0;
	return 0;
}

int vmx_tear_down(void **state)
{
	struct vcpu *vcpu = &virt->v.vcpu;
	free(vcpu->page);
	free(vcpu->counters);
	free(vcpu->lapic.page);
	free(vcpu->state);
	free(vcpu->cpuid);
	free(*state);
	return 0;
}
