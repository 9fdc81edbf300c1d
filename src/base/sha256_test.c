/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sha256.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/testing.h"

/* From NIST: FIPS 180-4's examples, and the byte-oriented vectors of CAVP (SHA256ShortMsg). */
static const struct {
	const char *message; /* hexadecimal */
	const char *hash;
} vectors[] = {
	{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
	{ "616263", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
	{ "6162636462636465636465666465666765666768666768696768696a68696a6b"
	  "696a6b6c6a6b6c6d6b6c6d6e6c6d6e6f6d6e6f706e6f7071",
	  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	{ "d3", "28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1" },
	{ "11af", "5ca7133fa735326081558ac312c620eeca9970d1e70a4b95533d956f072d1f98" },
	{ "74ba2521", "b16aa56be3880d18cd41e68384cf1ec8c17680c45a02b1575dc1518923ae8b0e" },
};

static size_t from_hex(const char *hex, unsigned char *ret)
{
	size_t n = 0;

	for (; hex[2 * n]; n++) {
		char digits[3] = { hex[2 * n], hex[2 * n + 1] };

		ret[n] = (unsigned char)strtoul(digits, NULL, 16);
	}
	return n;
}

static void assert_hash(const unsigned char hash[TSK_SHA256_BYTES], const char *wanted)
{
	unsigned char bytes[TSK_SHA256_BYTES];

	assert_int_equal(from_hex(wanted, bytes), sizeof(bytes));
	assert_memory_equal(hash, bytes, sizeof(bytes));
}

/* In pieces of `piece` bytes, by the way given. */
static void hash_by(tsk_sha256_blocks *blocks, const unsigned char *bytes, size_t len, size_t piece,
		    unsigned char ret[TSK_SHA256_BYTES])
{
	struct tsk_sha256 sha;

	tsk_sha256_init(&sha);
	sha.blocks = blocks;
	for (size_t at = 0; at < len; at += piece)
		tsk_sha256_update(&sha, bytes + at, len - at < piece ? len - at : piece);
	tsk_sha256_update(&sha, NULL, 0);
	tsk_sha256_final(&sha, ret);
}

static void check_vectors(tsk_sha256_blocks *blocks)
{
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		unsigned char message[256], hash[TSK_SHA256_BYTES];
		size_t len = from_hex(vectors[i].message, message);

		hash_by(blocks, message, len, len ? len : 1, hash);
		assert_hash(hash, vectors[i].hash);
		hash_by(blocks, message, len, 1, hash);
		assert_hash(hash, vectors[i].hash);
	}
}

/* FIPS 180-4: a million times "a". */
static void check_million(tsk_sha256_blocks *blocks, size_t piece)
{
	_cleanup_free_ unsigned char *bytes = malloc(1000000);
	unsigned char hash[TSK_SHA256_BYTES];

	assert_non_null(bytes);
	memset(bytes, 'a', 1000000);
	hash_by(blocks, bytes, 1000000, piece, hash);
	assert_hash(hash, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void test_portable(void **state)
{
	(void)state;
	check_vectors(tsk_sha256_portable());
	check_million(tsk_sha256_portable(), 1000000);
	check_million(tsk_sha256_portable(), 997);
}

static void test_by_cpu(void **state)
{
	(void)state;
	if (!tsk_sha256_by_cpu())
		skip();
	check_vectors(tsk_sha256_by_cpu());
	check_million(tsk_sha256_by_cpu(), 1000000);
	check_million(tsk_sha256_by_cpu(), 997);
}

static void test_what_init_picks(void **state)
{
	unsigned char hash[TSK_SHA256_BYTES];

	(void)state;
	tsk_sha256("abc", 3, hash);
	assert_hash(hash, vectors[1].hash);
	tsk_sha256(NULL, 0, hash);
	assert_hash(hash, vectors[0].hash);
}

/* Every length around the blocks' and the padding's ends, in pieces of every size. */
static void test_lengths_and_pieces(void **state)
{
	tsk_sha256_blocks *by_cpu = tsk_sha256_by_cpu();
	unsigned char whole[TSK_SHA256_BYTES], hash[TSK_SHA256_BYTES];

	(void)state;
	for (size_t len = 0; len <= 200; len++) {
		_cleanup_free_ unsigned char *exact = malloc(len ? len : 1);

		assert_non_null(exact);
		for (size_t i = 0; i < len; i++)
			exact[i] = (unsigned char)(i * 37 + len * 11 + (i >> 3));
		hash_by(tsk_sha256_portable(), exact, len, len ? len : 1, whole);
		for (size_t piece = 1; piece <= 130; piece++) {
			hash_by(tsk_sha256_portable(), exact, len, piece, hash);
			assert_memory_equal(hash, whole, sizeof(hash));
			if (!by_cpu)
				continue;
			hash_by(by_cpu, exact, len, piece, hash);
			assert_memory_equal(hash, whole, sizeof(hash));
		}
	}
}

/* Blocks at every alignment, of noise. */
static void test_each_way_against_the_other(void **state)
{
	unsigned char bytes[16 + 8 * TSK_SHA256_BLOCK_BYTES];
	uint32_t seed = 12345;

	(void)state;
	if (!tsk_sha256_by_cpu())
		skip();
	for (unsigned round = 0; round < 2000; round++) {
		uint32_t a[8], b[8];
		size_t at = round % 16, n = round % 9;

		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (unsigned char)((seed = seed * 1664525 + 1013904223) >> 24);
		memcpy(a, bytes, sizeof(a));
		memcpy(b, bytes, sizeof(b));
		tsk_sha256_portable()(a, bytes + at, n);
		tsk_sha256_by_cpu()(b, bytes + at, n);
		assert_memory_equal(a, b, sizeof(a));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_portable),
		TSK_TEST(test_by_cpu),
		TSK_TEST(test_what_init_picks),
		TSK_TEST(test_lengths_and_pieces),
		TSK_TEST(test_each_way_against_the_other),
	};

	return cmocka_run_group_tests_name("sha256", tests, NULL, NULL);
}
