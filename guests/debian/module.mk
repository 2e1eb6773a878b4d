# SPDX-License-Identifier: Apache-2.0
# The standard guest: Debian's own cloud kernel, as Debian ships it, and an initramfs of Debian's busybox with our init.
# initramfs-modules.cpio.gz is the same with virtio modules.
DEBIAN_GUEST := $(B)/guests
GUESTS += $(DEBIAN_GUEST)/vmlinuz $(DEBIAN_GUEST)/initramfs.cpio.gz $(DEBIAN_GUEST)/initramfs-modules.cpio.gz

$(B)/debs/kernel.stamp: tools/build/fetch-deb.sh
	$(call say,FETCH,Debian kernel)
	$(Q)mkdir -p $(@D)
	$(Q)tools/build/fetch-deb.sh depends:linux-image-cloud-amd64 $(@D)/kernel
	$(Q)touch $@
$(DEBIAN_GUEST)/vmlinuz: $(B)/debs/kernel.stamp
	$(Q)mkdir -p $(@D)
	$(Q)cp $(B)/debs/kernel/boot/vmlinuz-* $@

DEBIAN_INITRAMFS := guests/debian/initramfs.py guests/debian/init $(B)/debs/busybox-static.stamp
debian_initramfs = $(PYTHON) guests/debian/initramfs.py --busybox $(B)/debs/busybox-static/bin/busybox \
	--init guests/debian/init --out $@
$(DEBIAN_GUEST)/initramfs.cpio.gz: $(DEBIAN_INITRAMFS) | $(INSTALLED)
	$(call say,GUEST,$@)
	$(Q)$(debian_initramfs)
$(DEBIAN_GUEST)/initramfs-modules.cpio.gz: $(DEBIAN_INITRAMFS) $(B)/debs/kernel.stamp | $(INSTALLED)
	$(call say,GUEST,$@)
	$(Q)$(debian_initramfs) --modules $(B)/debs/kernel
