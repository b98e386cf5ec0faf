#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Android)
    import Android
#endif

/// Where a path leads through its symbolic links, as a secret that is mounted into a container has them, and that nobody else may lead it
/// elsewhere.
///
/// From the first link on, every directory, every link and the file have to belong to root or to this process's user; a directory that others
/// may write to is sound only with its sticky bit, as `/tmp` has it. Without a link the path is taken as it is.
struct LinkWalk {
    /// As many as Linux follows.
    static let maximumLinks = 40

    /// The path without links.
    let path: String
    /// Whether there was a link.
    let hasLinks: Bool

    /// - Throws: `IdentityError` with code `.keyFileExposed` when somebody else may change where the path leads; `.keyFileMissing`,
    ///   `.keyFileNotRegular` or `.keyFileUnavailable` when it leads nowhere.
    init(_ path: String) throws(IdentityError) {
        var links = 0
        var current = path.hasPrefix("/") ? "/" : "."
        var rest = Self.names(in: path)
        while let name = rest.popLast() {
            let next = current == "/" ? "/" + name : current + "/" + name
            var status = stat()
            guard lstat(next, &status) == 0 else { throw .system("open", next == path ? path : "\(path), at \(next)") }
            let isLink = status.st_mode & S_IFMT == S_IFLNK
            if isLink || links > 0 { try Self.checkFolder(current, of: next, status, named: path) }
            guard isLink else {
                current = next
                continue
            }
            links += 1
            guard links <= Self.maximumLinks else {
                throw IdentityError(.keyFileNotRegular, "\(path) leads through more than \(Self.maximumLinks) symbolic links")
            }
            let target = try Self.target(of: next)
            if target.hasPrefix("/") { current = "/" }
            rest += Self.names(in: target)
        }
        self.path = links > 0 ? current : path
        self.hasLinks = links > 0
    }

    /// Whether somebody may be trusted with where a key comes from.
    static func isTrusted(_ owner: uid_t) -> Bool { owner == 0 || owner == geteuid() }

    /// Whoever may change an entry of a folder may put another one in its place.
    private static func checkFolder(_ folder: String, of entry: String, _ status: stat, named path: String) throws(IdentityError) {
        var holder = stat()
        guard stat(folder, &holder) == 0 else { throw .system("stat", folder) }
        for (name, owner) in [(folder, holder.st_uid), (entry, status.st_uid)] where !Self.isTrusted(owner) {
            throw IdentityError(
                .keyFileExposed,
                """
                \(path) leads through a symbolic link, and \(name) on the way belongs to user \(owner), who may lead it to another key: name \
                the file itself, or have root or user \(geteuid()) own what is on the way
                """)
        }
        guard holder.st_mode & 0o022 == 0 || holder.st_mode & 0o1000 != 0 else {
            let mode = String(holder.st_mode & 0o7777, radix: 8)
            throw IdentityError(
                .keyFileExposed,
                """
                \(path) leads through a symbolic link, and others may write to \(folder) on the way (mode 0\(mode)), so they may lead it to \
                another key: name the file itself, or `chmod go-w \(folder)`
                """)
        }
    }

    private static func target(of link: String) throws(IdentityError) -> String {
        var bytes = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(link, &bytes, bytes.count)
        guard count >= 0 else { throw .system("readlink", link) }
        return String(decoding: bytes.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// The names of a path, the last one first.
    private static func names(in path: String) -> [String] {
        path.split(separator: "/").filter { $0 != "." }.map(String.init).reversed()
    }
}
