/* SPDX-License-Identifier: MIT
 * device.c - devices, virtual ports, the VMM and the sandbox as clients see them, as JSON
 */
#include "control/device.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/json.h"
#include "util/compiler.h"

static bool add_number(struct json_object *object, const char *key, uint64_t value)
{
	return control_add(object, key, json_object_new_uint64(value));
}

/* As lsusb shows it and rules have it: four hexadecimal digits. */
static bool add_usb_id(struct json_object *object, const char *key, int value)
{
	char text[16];

	if (value == CONTROL_UNKNOWN)
		return true;
	(void)snprintf(text, sizeof(text), "%04x", (unsigned)value & 0xffff);
	return control_add_text(object, key, text);
}

static bool add_if(struct json_object *object, const char *key, unsigned value)
{
	return !value || add_number(object, key, value);
}

static bool add_counters(struct json_object *object, const struct control_device *device)
{
	return add_number(object, "bytes_in", device->bytes_in) &&
	       add_number(object, "bytes_out", device->bytes_out) &&
	       add_number(object, "transfers", device->transfers) &&
	       add_number(object, "errors", device->errors);
}

static bool fill_device(struct json_object *object, const struct control_device *device)
{
	return control_add_text(object, "id", device->id) &&
	       control_add_text(object, "kind", device->kind) &&
	       control_add_text(object, "label", device->label) &&
	       add_usb_id(object, "vendor_id", device->vendor_id) &&
	       add_usb_id(object, "product_id", device->product_id) &&
	       control_add_text(object, "serial", device->serial) &&
	       control_add_text(object, "product", device->product) &&
	       control_add_text(object, "manufacturer", device->manufacturer) &&
	       control_add_text(object, "speed", device->speed) &&
	       add_if(object, "port", device->port) &&
	       add_if(object, "bus", device->bus) &&
	       add_if(object, "address", device->address) &&
	       control_add_text(object, "place", device->place) &&
	       (!device->since || control_add_time(object, "since", device->since)) &&
	       control_add_text(object, "state", device->state) &&
	       control_add_text(object, "rule", device->rule) &&
	       (!device->has_counters || add_counters(object, device));
}

static bool fill_port(struct json_object *object, const struct control_port *port)
{
	return add_number(object, "port", port->port) &&
	       control_add_text(object, "kind", port->kind) &&
	       control_add_text(object, "device", port->device);
}

struct json_object *control_device_to_json(const struct control_device *device)
{
	struct json_object *object = json_object_new_object();

	if (object && fill_device(object, device))
		return object;
	json_object_put(object);
	return NULL;
}

struct json_object *control_vmm_to_json(const struct control_vmm *vmm)
{
	struct json_object *object = json_object_new_object();

	if (control_add(object, "connected", json_object_new_boolean(vmm->connected)) &&
	    add_number(object, "memory_shared", vmm->memory_shared) &&
	    add_number(object, "memory_unshared", vmm->memory_unshared))
		return object;
	json_object_put(object);
	return NULL;
}

static bool add_refused(struct json_object *object, const struct control_sandbox *sandbox)
{
	struct json_object *array;

	if (!add_number(object, "refused", sandbox->refused))
		return false;
	if (sandbox->nlast == 0)
		return true;
	array = json_object_new_array();
	for (size_t i = 0; i < sandbox->nlast; i++) {
		if (!control_append(array, control_text_to_json(sandbox->last[i]))) {
			json_object_put(array);
			return false;
		}
	}
	return control_add(object, "refused_last", array);
}

struct json_object *control_sandbox_to_json(const struct control_sandbox *sandbox)
{
	struct json_object *object = json_object_new_object();

	if (object && control_add_text(object, "mode", sandbox->mode) &&
	    add_number(object, "user", sandbox->user) &&
	    control_add_text(object, "dac_override", sandbox->dac_override) &&
	    add_if(object, "landlock", sandbox->landlock) &&
	    control_add_text(object, "no_landlock", sandbox->no_landlock) &&
	    add_if(object, "system_calls", sandbox->system_calls) &&
	    control_add_text(object, "no_system_calls", sandbox->no_system_calls) &&
	    add_refused(object, sandbox))
		return object;
	json_object_put(object);
	return NULL;
}

struct json_object *control_port_to_json(const struct control_port *port)
{
	struct json_object *object = json_object_new_object();

	if (object && fill_port(object, port))
		return object;
	json_object_put(object);
	return NULL;
}
