import NIOCore
import P2P

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// What a daemon leaves in its data directory for `p2p reach`: the object in a line, then the text.
struct ReachFile {
    private static let limit = 256 * 1_024

    private let path: String

    init(_ path: String) {
        self.path = path
    }

    /// Replaces what is there, in one step.
    func write(_ reachability: Reachability) throws {
        let draft = self.path + ".new"
        let descriptor = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw DataDirectory.error("can't be written", draft) }
        defer { close(descriptor) }
        var bytes = ByteBuffer(string: "\(reachability.report)\n\(reachability.text(explained: true))\n")
        try SystemFile.write(&bytes, to: descriptor)
        guard rename(draft, self.path) == 0 else { throw DataDirectory.error("can't be replaced", self.path) }
    }

    /// The object and the text.
    func read() throws -> (object: String, text: String) {
        let contents = try SystemFile.contents(of: self.path, upTo: Self.limit)
        let text = String(decoding: contents.readableBytesView, as: UTF8.self)
        guard let end = text.firstIndex(of: "\n"), text.hasPrefix("{") else {
            throw ToolError("dataUnavailable", "\(self.path) is damaged")
        }
        return (String(text[..<end]), String(text[text.index(after: end)...]).trimmedEnd)
    }

    /// It says nothing of a node that has ended.
    func remove() { unlink(self.path) }
}

extension String {
    /// Without line ends at the end.
    fileprivate var trimmedEnd: String {
        var text = self
        while text.last == "\n" { text.removeLast() }
        return text
    }
}
