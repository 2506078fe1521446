// An ordinary script: walk.js SECONDS DIRECTORY reads files, hashes them and asks
// for random bytes.
const fs = require("fs"), path = require("path"), crypto = require("crypto");
const end = Date.now() + 1000 * Number(process.argv[2]);

async function walk(dir) {
	for (const e of await fs.promises.readdir(dir, { withFileTypes: true })) {
		if (Date.now() >= end)
			return;
		const p = path.join(dir, e.name);
		if (e.isDirectory())
			await walk(p);
		else if (e.isFile() && fs.statSync(p).size < 1 << 20)
			crypto.createHash("sha256").update(fs.readFileSync(p)).digest();
		crypto.randomBytes(16);
	}
}

(async () => {
	while (Date.now() < end)
		await walk(process.argv[3]);
})();
