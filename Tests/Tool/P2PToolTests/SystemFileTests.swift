import Dispatch
import NIOCore
import Testing

@testable import P2PTool

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

@Suite("Writing to a pipe", .timeLimit(.minutes(1)))
struct SystemFileTests {
    private func withPipe(_ body: (_ reader: CInt, _ writer: CInt) throws -> Void) throws {
        var ends: [CInt] = [0, 0]
        try #require(pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        try body(ends[0], ends[1])
    }

    @Test("Everything arrives at a slow reader, in order")
    func slowReader() throws {
        try self.withPipe { reader, writer in
            let bytes = ByteBuffer(bytes: (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7) })
            let written = DispatchGroup()
            DispatchQueue.global().async(group: written) {
                var rest = bytes
                try? SystemFile.write(&rest, to: writer)
            }
            var read = ByteBuffer()
            while read.readableBytes < bytes.readableBytes, var piece = try SystemFile.read(upTo: 1_000, from: reader) {
                read.writeBuffer(&piece)
            }
            written.wait()
            #expect(read == bytes)
        }
    }
}
