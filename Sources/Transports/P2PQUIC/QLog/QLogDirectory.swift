public import P2PCore
import Synchronization

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A directory into which QUIC connections write what happens to them, packet by packet: for whoever looks for a fault, at a cost.
///
/// Each connection has a file of its own, named after the connection id that the client chose first and the side that writes, in qlog's JSON text sequences
/// (draft-ietf-quic-qlog-main-schema, `.sqlog`), as far as ngtcp2 says it. Files hold addresses and sizes, but neither keys nor what streams carry.
/// Bounded: so many files for the life of the value, and so many bytes each; a file that would be longer ends with the last event that fits.
public final class QLogDirectory: Sendable {
    /// Where the files are.
    public let path: String
    private let maximumFiles: Int
    private let maximumFileSize: Int
    private let files = Atomic(0)

    /// Makes the directory, if it is not there.
    ///
    /// - Parameters:
    ///   - maximumFiles: connections that have a file; those that come later have none.
    ///   - maximumFileSize: in bytes.
    /// - Throws: ``TransportError/Code/invalidConfiguration`` when there is no such directory and none can be made.
    public init(path: String, maximumFiles: Int = 256, maximumFileSize: Int = 16 * 1_024 * 1_024) throws(TransportError) {
        self.path = path
        self.maximumFiles = maximumFiles
        self.maximumFileSize = maximumFileSize
        guard mkdir(path, 0o700) != 0, errno != EEXIST || access("\(path)/.", W_OK) != 0 else { return }
        throw TransportError(.invalidConfiguration, "qlog files can't be written to \(path): \(String(cString: strerror(errno)))")
    }

    /// What a connection's file is called: the id that its client chose first, and the side.
    package static func name(of id: [UInt8], isClient: Bool) -> String {
        let digits = Array("0123456789abcdef")
        return String(id.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }) + (isClient ? "-client" : "-server")
    }

    /// A file for a connection; nil when there are as many as there may be, or none can be made.
    package func open(_ name: String) -> QLogFile? {
        guard self.files.wrappingAdd(1, ordering: .relaxed).newValue <= self.maximumFiles else { return nil }
        #if canImport(Darwin)
            let descriptor = Darwin.open("\(self.path)/\(name).sqlog", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        #elseif canImport(Glibc)
            let descriptor = Glibc.open("\(self.path)/\(name).sqlog", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        #else
            let descriptor = Musl.open("\(self.path)/\(name).sqlog", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        #endif
        return descriptor < 0 ? nil : QLogFile(descriptor, limit: self.maximumFileSize)
    }
}
