"""Makes the page's files a C source: embed.py OUTPUT FOLDER FILE…, files by their paths below the folder."""
import hashlib
import pathlib
import sys

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".txt": "text/plain; charset=utf-8",
}


def array(number, content):
    lines = [", ".join("%d" % byte for byte in content[at:at + 24]) for at in range(0, len(content), 24)]
    return "static const unsigned char file_%d[] = {%s};\n" % (number, ",\n".join(lines) or "0")


def row(number, path, content):
    name = "/" if str(path) == "index.html" else "/" + path.as_posix()
    tag = '\\"%s\\"' % hashlib.sha256(content).hexdigest()[:32]
    return '    {"%s", "%s", "%s", file_%d, %d},\n' % (name, TYPES[path.suffix], tag, number, len(content))


def main(output, folder, names):
    files = [(number, pathlib.PurePosixPath(name)) for number, name in enumerate(names)]
    contents = [(pathlib.Path(folder) / path).read_bytes() for _, path in files]
    with open(output, "w", encoding="ascii") as out:
        out.write('#include "server/admin/web.h"\n\n')
        out.writelines(array(number, content) for number, content in enumerate(contents))
        out.write("\nconst struct web_file web_files[] = {\n")
        out.writelines(row(number, path, contents[number]) for number, path in files)
        out.write("    {0},\n};\n")


main(sys.argv[1], sys.argv[2], sys.argv[3:])
