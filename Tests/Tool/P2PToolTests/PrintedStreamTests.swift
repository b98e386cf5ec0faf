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

@Suite("Printing", .timeLimit(.minutes(1)))
struct PrintedStreamTests {
    private func makePipe() throws -> (reader: CInt, writer: CInt) {
        signal(SIGPIPE, SIG_IGN)
        var ends: [CInt] = [0, 0]
        try #require(pipe(&ends) == 0)
        return (ends[0], ends[1])
    }

    private func stream(_ writer: CInt, limit: Int = 10_000) -> PrintedStream { PrintedStream(writer, limit: limit) { "-\($0)\n" } }

    /// All lines until the end.
    private func lines(_ reader: CInt) throws -> [String] {
        var all = ByteBuffer()
        while var piece = try SystemFile.read(upTo: 65_536, from: reader) { all.writeBuffer(&piece) }
        return String(buffer: all).split(separator: "\n").map(String.init)
    }

    @Test("Everything comes to a reader, in order, and the end waits for it")
    func complete() async throws {
        let (reader, writer) = try self.makePipe()
        let stream = self.stream(writer, limit: 10_000_000)
        let reading = Task.detached { try self.lines(reader) }
        for number in 0..<20_000 { stream.offer(ByteBuffer(string: "\(number)\n")) }
        PrintedStream.finish([stream], patience: .seconds(30), limit: .seconds(30))
        close(writer)
        #expect(try await reading.value == (0..<20_000).map(String.init))
        close(reader)
    }

    @Test("Nobody reads: offering never waits, the end comes soon, and whoever reads later learns how much is missing")
    func unread() async throws {
        let (reader, writer) = try self.makePipe()
        let stream = self.stream(writer)
        let count = 100_000
        let started = ContinuousClock.now
        for number in 0..<count { stream.offer(ByteBuffer(string: "\(number)\n")) }
        PrintedStream.finish([stream], patience: .milliseconds(50), limit: .seconds(1))
        #expect(ContinuousClock.now - started < .seconds(20))
        let reading = Task.detached { try self.lines(reader) }
        PrintedStream.finish([stream], patience: .seconds(30), limit: .seconds(30))
        close(writer)
        let lines = try await reading.value
        let notes = lines.filter { $0.hasPrefix("-") }.compactMap { Int($0.dropFirst()) }
        let printed = lines.compactMap { $0.hasPrefix("-") ? nil : Int($0) }
        #expect(printed == printed.sorted())
        #expect(printed.count + notes.reduce(0, +) == count)
        #expect(!notes.isEmpty)
        close(reader)
    }

    @Test("A task that waits for a reader is let go when it is cancelled, and what it wrote is printed all the same")
    func cancelled() async throws {
        let (reader, writer) = try self.makePipe()
        let stream = self.stream(writer)
        let large = ByteBuffer(repeating: UInt8(ascii: "x"), count: 1_000_000)
        let writing = Task { try await stream.write(large) }
        writing.cancel()
        try await writing.value
        let late = Task {
            while !Task.isCancelled { await Task.yield() }
            try await stream.write(ByteBuffer(string: "last\n"))
        }
        late.cancel()
        try await late.value
        let reading = Task.detached { try self.lines(reader) }
        PrintedStream.finish([stream], patience: .seconds(30), limit: .seconds(30))
        close(writer)
        let text = try await reading.value.joined()
        #expect(text.hasSuffix("last"))
        close(reader)
    }

    @Test("A write waits until everything is taken")
    func written() async throws {
        let (reader, writer) = try self.makePipe()
        let stream = self.stream(writer)
        let reading = Task.detached { try self.lines(reader) }
        try await stream.write(ByteBuffer(repeating: UInt8(ascii: "x"), count: 500_000))
        try await stream.write(ByteBuffer(string: "y\n"))
        close(writer)
        #expect(try await reading.value.first?.utf8.count == 500_001)
        close(reader)
    }

    @Test("When the reader is gone, writing fails, those who wait are told, and offers do nothing")
    func gone() async throws {
        let (reader, writer) = try self.makePipe()
        let stream = self.stream(writer)
        let waiting = Task { try await stream.write(ByteBuffer(repeating: 1, count: 1_000_000)) }
        close(reader)
        let error = await #expect(throws: ToolError.self) { try await waiting.value }
        #expect(error?.code == ToolError.outputClosed)
        await #expect(throws: ToolError.self) { try await stream.write(ByteBuffer(string: "x")) }
        stream.offer(ByteBuffer(string: "x\n"))
        PrintedStream.finish([stream])
        close(writer)
    }

    @Test("A descriptor that is closed, or not for writing, ends the printing and nothing else")
    func closed() async throws {
        let (reader, writer) = try self.makePipe()
        let stream = self.stream(reader)
        stream.offer(ByteBuffer(string: "x\n"))
        PrintedStream.finish([stream])
        let error = await #expect(throws: ToolError.self) { try await stream.write(ByteBuffer(string: "x")) }
        #expect(error?.code == ToolError.outputClosed)
        for end in [reader, writer] { close(end) }
    }

    #if os(Linux)
        @Test("A full disk costs the lines that found no room, and does not keep anybody busy")
        func fullDisk() async throws {
            let descriptor = open("/dev/full", O_WRONLY)
            try #require(descriptor >= 0)
            let stream = self.stream(descriptor)
            for number in 0..<100 { stream.offer(ByteBuffer(string: "\(number)\n")) }
            PrintedStream.finish([stream], patience: .seconds(10), limit: .seconds(10))
            let error = await #expect(throws: ToolError.self) { try await stream.write(ByteBuffer(string: "x")) }
            #expect(error?.code == "outputFailed")
            close(descriptor)
        }
    #endif
}
