public import P2PCore
public import P2PIdentity
import P2PMultiformats

/// Swarm key files, as kubo and other libp2p nodes keep them: a line that says what it is, a line that names the encoding, the key
/// (pnet spec, "Interface").
public enum PreSharedKeyFile {
    /// How the key itself is written.
    public enum Encoding: String, Sendable, CaseIterable {
        /// 64 hexadecimal digits; what most tools write.
        case base16
        /// RFC 4648 base64, padded.
        case base64
        /// The 32 bytes as they are.
        case bin

        fileprivate var line: [UInt8] { Array("/\(self.rawValue)/".utf8) }

        fileprivate var base: Multibase? {
            switch self {
            case .base16: .base16
            case .base64: .base64pad
            case .bin: nil
            }
        }
    }

    /// More than any such file needs, in bytes.
    public static let maximumSize = 256

    private static let codec = Array("/key/swarm/psk/1.0.0/".utf8)
    private static let newline = UInt8(ascii: "\n")

    /// Reads a key.
    ///
    /// - Parameters:
    ///   - path: A regular file without permissions for group or others; or symbolic links to one, as mounted secrets have them, if nobody else
    ///     may change where they lead. A file system that keeps no modes, such as FAT, is not held to them.
    ///   - noting: Is told what people should know of a file that is read all the same: that its file system keeps no modes.
    /// - Throws: `IdentityError` with code `.keyFileMissing`, `.keyFileNotRegular`, `.keyFileExposed`, `.keyFileEmpty`, `.keyFileTooLarge`,
    ///   `.keyFileDamaged` (with the reason as `cause`) or `.keyFileUnavailable`.
    public static func read(_ path: String, noting: (String) -> Void = { _ in }) throws(IdentityError) -> PreSharedKey {
        let content = try OwnerOnlyFile.read(path, upTo: Self.maximumSize, noting: noting)
        do throws(PrivateNetworkError) {
            return try self.decode(content)
        } catch {
            throw IdentityError(.keyFileDamaged, "\(path) is not a private network's key file", cause: error)
        }
    }

    /// Writes a key with mode 0600. The file appears under its name whole and on the disk, or not at all.
    ///
    /// - Parameters:
    ///   - replacing: Whether an existing regular file may be replaced. If not, the check and the writing are one step.
    ///   - noting: Is told when the file system keeps no modes, so that others may read the key.
    /// - Throws: `IdentityError` with code `.keyFileExists`, `.keyFileMissing` (there is no such directory), `.keyFileNotRegular` or
    ///   `.keyFileUnavailable`.
    public static func write(
        _ key: PreSharedKey, to path: String, as encoding: Encoding = .base16, replacing: Bool = false, noting: (String) -> Void = { _ in }
    ) throws(IdentityError) {
        try OwnerOnlyFile.write(self.encode(key, as: encoding), to: path, replacing: replacing, noting: noting)
    }

    /// The content of a file.
    public static func encode(_ key: PreSharedKey, as encoding: Encoding = .base16) -> [UInt8] {
        let lines = Self.codec + [Self.newline] + encoding.line + [Self.newline]
        guard let base = encoding.base else { return lines + key.bytes }
        return lines + Array(base.encodeWithoutPrefix(key.bytes).utf8) + [Self.newline]
    }

    /// The key in a file's content. Lines may end as on Windows; behind the key there may be white space, in `bin` one newline.
    ///
    /// - Throws: `.malformedKey`, with a message that says which part is wrong but quotes nothing.
    public static func decode(_ content: [UInt8]) throws(PrivateNetworkError) -> PreSharedKey {
        guard content.count <= Self.maximumSize else {
            throw PrivateNetworkError(.malformedKey, "\(content.count) bytes are too many; such a file has at most \(Self.maximumSize)")
        }
        var rest = content[...]
        guard self.takeLine(&rest) == Self.codec else {
            throw PrivateNetworkError(.malformedKey, "the first line is not \(String(decoding: Self.codec, as: UTF8.self))")
        }
        let second = self.takeLine(&rest)
        guard let encoding = Encoding.allCases.first(where: { $0.line == second }) else {
            let known = Encoding.allCases.map { "/\($0.rawValue)/" }.joined(separator: ", ")
            throw PrivateNetworkError(.malformedKey, "the second line is not one of \(known)")
        }
        return try PreSharedKey(bytes: try self.key(in: rest, as: encoding))
    }

    private static func key(in rest: ArraySlice<UInt8>, as encoding: Encoding) throws(PrivateNetworkError) -> [UInt8] {
        guard let base = encoding.base else {
            return Array(rest.count == PreSharedKey.size + 1 && rest.last == Self.newline ? rest.dropLast() : rest)
        }
        var text = rest
        while let last = text.last, last == Self.newline || [0x09, 0x0d, 0x20].contains(last) { text.removeLast() }
        do {
            return try base.decodeWithoutPrefix(text)
        } catch {
            // The error underneath may quote a part of the key.
            throw PrivateNetworkError(.malformedKey, "the third line is not \(encoding.rawValue)")
        }
    }

    /// The next line without its end; nil when there is no whole one.
    private static func takeLine(_ rest: inout ArraySlice<UInt8>) -> [UInt8]? {
        guard let end = rest.firstIndex(of: Self.newline) else { return nil }
        var line = rest[..<end]
        rest = rest[(end + 1)...]
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        return Array(line)
    }
}
