import Crypto
import NIOCore

@testable import P2PSockets

extension ByteBuffer {
    /// Bytes without a pattern.
    static func noise(_ count: Int) -> ByteBuffer {
        var generator = SystemRandomNumberGenerator()
        var buffer = ByteBufferAllocator().buffer(capacity: count)
        while buffer.readableBytes < count { buffer.writeInteger(generator.next()) }
        return buffer.readSlice(length: count) ?? buffer
    }

    var sha256: String {
        var hash = SHA256()
        self.withUnsafeReadableBytes { hash.update(bufferPointer: $0) }
        return hash.text
    }
}

extension SHA256 {
    fileprivate var text: String {
        self.finalize().map { byte in
            let text = String(byte, radix: 16)
            return text.count == 1 ? "0" + text : text
        }.joined()
    }
}

extension TCPSocket {
    /// The hash of everything until the end.
    func hashToEnd() async throws -> String {
        var hash = SHA256()
        while let piece = try await self.read() { piece.withUnsafeReadableBytes { hash.update(bufferPointer: $0) } }
        return hash.text
    }
}

extension TCPOptions {
    /// Kernel buffers that are soon full.
    static var small: TCPOptions {
        var options = TCPOptions()
        options.sendBufferSize = 65_536
        options.receiveBufferSize = 65_536
        return options
    }
}
