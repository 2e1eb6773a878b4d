# SPDX-License-Identifier: Apache-2.0
# A test kernel that others wrote: Debian's Xen, as Debian ships it, by Multiboot, with Debian's kernel as a module. $(B)/guests/xen is a folder for
# `make test-kernels DIR=`.
XEN_GUEST := $(B)/guests/xen
GUESTS += $(XEN_GUEST)/xen $(XEN_GUEST)/unittests.cfg
$(XEN_GUEST)/xen: $(B)/debs/xen-hypervisor-4.17-amd64.stamp
	$(Q)mkdir -p $(@D)
	$(Q)gunzip -c $(B)/debs/xen-hypervisor-4.17-amd64/boot/xen-4.17-amd64.gz >$@
$(XEN_GUEST)/unittests.cfg: guests/xen/unittests.cfg
	$(Q)mkdir -p $(@D)
	$(Q)cp $< $@
