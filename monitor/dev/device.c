/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/dev/device.c: saving and restoring the state of any device.
 */
#include "monitor/dev/device.h"
#include "lib/string.h"

void device_save(const struct device *device, void *state)
{
	memcpy(state, device->state, device->ops->state_bytes);
}

int device_load(const struct device *device, const void *state, uint64_t now)
{
	int error = device->ops->check(state);
	if (error < 0)
		return error;
	memcpy(device->state, state, device->ops->state_bytes);
	device->ops->resume(device->self, now);
	return 0;
}
