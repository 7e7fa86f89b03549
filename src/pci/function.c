/* SPDX-License-Identifier: MIT
 * function.c - a PCI function: what accesses to its spaces cause
 */
#include "pci/function.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "pci/config.h"
#include "pci/msi.h"
#include "util/bytes.h"

struct pci_function {
	const struct pci_function_ops *ops;
	void *ctx;
	uint64_t bar0_size_bytes;
	struct pci_space space;
	struct pci_msi msi;
};

struct pci_function *pci_function_create(const struct pci_identity *identity,
					 const struct pci_function_ops *ops, void *ctx)
{
	struct pci_function *function = calloc(1, sizeof(*function));

	if (!function)
		return NULL;
	assert(identity->bar0_size_bytes <= UINT32_MAX); /* bar_read takes 32 bits */
	function->ops = ops;
	function->ctx = ctx;
	function->bar0_size_bytes = identity->bar0_size_bytes;
	pci_space_init(&function->space, identity);
	pci_msi_init(&function->msi, &function->space, identity);
	return function;
}

void pci_function_destroy(struct pci_function *function)
{
	free(function);
}

void pci_function_reset(struct pci_function *function)
{
	pci_space_reset(&function->space);
	pci_msi_reset(&function->msi);
}

void pci_config_read(struct pci_function *function, uint64_t offset, void *buf,
		     size_t count)
{
	pci_space_read(&function->space, offset, buf, count);
}

/* True if [@offset, @offset + @count) and [@reg, @reg + @size) share a byte. */
static bool touches(uint64_t offset, size_t count, unsigned reg, unsigned size)
{
	return offset < reg + size && count > 0 &&
	       (offset >= reg || reg - offset < count);
}

/* A write of all ones to the whole lower half of BAR0 asks for its size
 * (6.2.5.1). Some leave the low bits, which are no address, out of it. */
static bool is_bar0_sizing(uint64_t offset, const uint8_t *value, size_t count)
{
	if (offset > PCI_REG_BAR0 || count < PCI_REG_BAR0 - offset + 4)
		return false;
	return (get_le32(value + (PCI_REG_BAR0 - offset)) | 0xf) == UINT32_MAX;
}

void pci_config_write(struct pci_function *function, uint64_t offset, const void *buf,
		      size_t count)
{
	const struct pci_function_ops *ops = function->ops;

	if (is_bar0_sizing(offset, buf, count))
		ops->bar_sized(function->ctx);
	pci_space_write(&function->space, offset, buf, count);
	if (touches(offset, count, PCI_REG_COMMAND, 2)) {
		uint16_t command = get_le16(&function->space.data[PCI_REG_COMMAND]);

		ops->command_changed(function->ctx,
				     (command & PCI_COMMAND_BUS_MASTER) != 0,
				     (command & PCI_COMMAND_MEMORY) != 0);
	}
	if (pci_msi_updated(&function->msi))
		ops->irq_enabled(function->ctx);
}

/* The largest naturally aligned access at @offset of at most @count bytes. */
static unsigned access_size(uint64_t offset, size_t count)
{
	unsigned size = 8;

	while (size > count || offset % size != 0)
		size /= 2;
	return size;
}

void pci_bar0_read(struct pci_function *function, uint64_t offset, void *buf,
		   size_t count)
{
	uint8_t *bytes = buf;

	while (count > 0 && offset < function->bar0_size_bytes) {
		unsigned size = access_size(offset, count);
		uint8_t le[8];
		uint64_t value;

		if (!pci_msi_bar_read(&function->msi, (uint32_t)offset, size, &value))
			value = function->ops->bar_read(function->ctx, (uint32_t)offset,
							size);
		put_le64(le, value);
		memcpy(bytes, le, size);
		bytes += size;
		offset += size;
		count -= size;
	}
	if (count > 0)
		memset(bytes, 0, count);
}

void pci_bar0_write(struct pci_function *function, uint64_t offset, const void *buf,
		    size_t count)
{
	const uint8_t *bytes = buf;

	while (count > 0 && offset < function->bar0_size_bytes) {
		unsigned size = access_size(offset, count);
		uint8_t le[8] = {0};
		uint64_t value;

		memcpy(le, bytes, size);
		value = get_le64(le);
		if (!pci_msi_bar_write(&function->msi, (uint32_t)offset, value, size))
			function->ops->bar_write(function->ctx, (uint32_t)offset, value,
						 size);
		bytes += size;
		offset += size;
		count -= size;
	}
}

void pci_irq_raise(struct pci_function *function, unsigned vector)
{
	enum pci_irq_kind kind;
	unsigned out_vector;

	if (pci_msi_route(&function->msi, vector, &kind, &out_vector))
		function->ops->irq(function->ctx, kind, out_vector);
}
