import NIOCore
import Synchronization
import Testing

@testable import P2PSockets

/// Each row of what a TCP socket promises, with another program at the other end.
@Suite("TCP sockets", .timeLimit(.minutes(2)))
struct TCPSocketTests {
    // MARK: Connecting

    @Test("It is returned at once, connecting, and opened says where it is")
    func opens() async throws {
        let peer = try PythonPeer("echo")
        let port = try await peer.port()
        let socket = try TCPSocket.connect("127.0.0.1", port)
        #expect(socket.address == "127.0.0.1" && socket.port == port)
        let endpoints = try await socket.opened
        #expect(endpoints.remoteAddress == "127.0.0.1" && endpoints.remotePort == port)
        #expect(socket.localAddress == "127.0.0.1" && socket.localPort == endpoints.localPort && endpoints.localPort > 0)
        #expect(socket.readyState == .open && !socket.usesTLS)
        socket.closeImmediately()
    }

    @Test("An address of IPv6, and a name with addresses of both families")
    func families() async throws {
        let six = try PythonPeer("echo", "::1")
        let socket = try TCPSocket.connect("::1", try await six.port())
        #expect(try await socket.opened.remoteAddress == "::1")
        let four = try PythonPeer("echo")
        var options = TCPOptions()
        options.family = .ipv4
        let named = try TCPSocket.connect("localhost", try await four.port(), options: options)
        #expect(try await named.opened.remoteAddress == "127.0.0.1")
        #expect(named.address == "127.0.0.1")
    }

    @Test("A name whose first address refuses is reached at its second")
    func secondAddress() async throws {
        let peer = try PythonPeer("echo")
        // Where localhost has ::1, nobody has this port there.
        let socket = try TCPSocket.connect("localhost", try await peer.port())
        #expect(try await socket.opened.remoteAddress == "127.0.0.1")
    }

    @Test("A port that refuses: both promises fail alike")
    func refused() async throws {
        let server = try TCPServerSocket.listen("127.0.0.1")
        let port = try await server.opened.localPort
        server.close()
        try await server.closed
        let socket = try TCPSocket.connect("127.0.0.1", port)
        let first = await #expect(throws: SocketError.self) { _ = try await socket.opened }
        let second = await #expect(throws: SocketError.self) { try await socket.closed }
        #expect(first?.code == .refused && second?.code == .refused && first?.kind == .network && first?.errno != nil)
        #expect(first?.message == second?.message)
        #expect(socket.readyState == .closed)
        await #expect(throws: SocketError(.refused, "")) { try await socket.write(ByteBuffer(string: "late")) }
        await #expect(throws: SocketError(.refused, "")) { _ = try await socket.read() }
    }

    @Test("A name that leads nowhere")
    func unresolvable() async throws {
        let socket = try TCPSocket.connect(String(repeating: "n", count: 70) + ".invalid", 80)
        await #expect(throws: SocketError(.unresolvable, "")) { _ = try await socket.opened }
    }

    @Test("Who does not answer costs the timeout")
    func blackHole() async throws {
        let peer = try PythonPeer("full_backlog")
        var options = TCPOptions()
        options.openTimeout = .milliseconds(600)
        let socket = try TCPSocket.connect("127.0.0.1", try await peer.port(), options: options)
        await #expect(throws: SocketError(.timedOut, "")) { _ = try await socket.opened }
        await #expect(throws: SocketError(.timedOut, "")) { try await socket.closed }
        #expect(socket.readyState == .closed)
    }

    @Test("What makes no sense is refused before anything is sent")
    func arguments() {
        let invalid = SocketError(.invalidArgument, "")
        #expect(throws: invalid) { try TCPSocket.connect("127.0.0.1", 0) }
        #expect(throws: invalid) { try TCPSocket.connect("127.0.0.1", 65_536) }
        #expect(throws: invalid) { try TCPSocket.connect("", 80) }
        var options = TCPOptions()
        options.keepAliveDelay = .milliseconds(999)
        #expect(throws: invalid) { try TCPSocket.connect("127.0.0.1", 80, options: options) }
        options = TCPOptions()
        options.sendBufferSize = 0
        #expect(throws: invalid) { try TCPSocket.connect("127.0.0.1", 80, options: options) }
        #expect(SocketError.Code.invalidArgument.kind == .invalidArgument)
    }

    @Test("Ten wait for it to open; one that is cancelled closes nothing")
    func waiters() async throws {
        let peer = try PythonPeer("echo")
        let socket = try TCPSocket.connect("127.0.0.1", try await peer.port())
        let impatient = Task { try await socket.closed }
        let ports = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<10 { group.addTask { try await socket.opened.localPort } }
            return try await group.reduce(into: Set<Int>()) { $0.insert($1) }
        }
        #expect(ports.count == 1)
        impatient.cancel()
        await #expect(throws: SocketError(.cancelled, "")) { try await impatient.value }
        try await socket.write(ByteBuffer(string: "still here"))
        #expect(try await socket.read() == ByteBuffer(string: "still here"))
    }

    @Test("Closing before it is open ends it, and both promises fail alike")
    func closedBeforeOpen() async throws {
        let peer = try PythonPeer("full_backlog")
        var options = TCPOptions()
        options.family = .ipv4
        let socket = try TCPSocket.connect("localhost", try await peer.port(), options: options)
        #expect(socket.readyState == .connecting && socket.address == "localhost" && socket.localAddress == nil)
        try await socket.close()
        await #expect(throws: SocketError(.closed, "")) { _ = try await socket.opened }
        await #expect(throws: SocketError(.closed, "")) { try await socket.closed }
        #expect(socket.readyState == .closed)
    }

    // MARK: Reading and writing

    @Test("The end of the other side is nil, again and again, and writing goes on")
    func finished() async throws {
        let peer = try PythonPeer("fin", "100000")
        let socket = try TCPSocket.connect("127.0.0.1", try await peer.port())
        let hash = try await peer.text("sent")
        #expect(try await socket.hashToEnd() == hash)
        for _ in 0..<3 { #expect(try await socket.read() == nil) }
        #expect(socket.readyState == .open)
        try await socket.write(ByteBuffer(string: "goodbye"))
        try await socket.close()
        #expect(try await peer.line()["end"] == .text("eof"))
        try await socket.closed
        #expect(socket.readyState == .closed)
        #expect(try await socket.read() == nil)
    }

    @Test("What came before a reset is read, then the reset is thrown, by closed as well")
    func wasReset() async throws {
        let peer = try PythonPeer("reset")
        let socket = try TCPSocket.connect("127.0.0.1", try await peer.port())
        #expect(try await socket.read() == ByteBuffer(string: "hello"))
        peer.tell()
        await #expect(throws: SocketError(.reset, "")) { _ = try await socket.read() }
        await #expect(throws: SocketError(.reset, "")) { try await socket.closed }
        await #expect(throws: SocketError(.reset, "")) { try await socket.close() }
        #expect(socket.readyState == .closed)
    }

    @Test("A read takes at most what it asks for, and what comes in pieces comes in order")
    func limits() async throws {
        let peer = try PythonPeer("echo")
        let socket = try TCPSocket.connect("127.0.0.1", try await peer.port())
        try await socket.write(ByteBuffer(string: "abcdef"))
        var text = ""
        while text.count < 6, let piece = try await socket.read(upTo: 2) {
            #expect((1...2).contains(piece.readableBytes))
            text += String(buffer: piece)
        }
        #expect(text == "abcdef")
        await #expect(throws: SocketError(.invalidArgument, "")) { _ = try await socket.read(upTo: 0) }
    }

    @Test("A second reader is told that there is one, and the first goes on")
    func twoReaders() async throws {
        let peer = try PythonPeer("echo")
        let socket = try TCPSocket.connect("127.0.0.1", try await peer.port())
        _ = try await socket.opened
        async let first = socket.read()
        while true {
            // Whoever comes second is refused; until the first waits, that is this one, which is cancelled.
            let second = Task { try await socket.read() }
            second.cancel()
            do { _ = try await second.value } catch let error as SocketError where error.code == .alreadyReading { break } catch {}
            try await Task.sleep(for: .milliseconds(2))
        }
        try await socket.write(ByteBuffer(string: "for the first"))
        #expect(try await first == ByteBuffer(string: "for the first"))
    }

    @Test("A thousand writers: none interleaves with another")
    func writers() async throws {
        let peer = try PythonPeer("echo")
        let socket = try TCPSocket.connect("127.0.0.1", try await peer.port())
        let size = 1_000
        async let writing: Void = withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<1_000 {
                group.addTask { try await socket.write(ByteBuffer(repeating: UInt8(number % 251), count: size)) }
            }
            try await group.waitForAll()
            try await socket.finishWriting()
        }
        var all = ByteBuffer()
        while var piece = try await socket.read() { all.writeBuffer(&piece) }
        try await writing
        #expect(all.readableBytes == 1_000 * size)
        while let run = all.readBytes(length: size) { #expect(Set(run).count == 1) }
    }

    @Test("A slow reader holds a writer back, and gets everything")
    func backPressure() async throws {
        let peer = try PythonPeer("late_sink")
        let socket = try TCPSocket.connect("127.0.0.1", try await peer.port(), options: .small)
        let data = ByteBuffer.noise(4 * 1_024 * 1_024)
        let isWritten = Mutex(false)
        let writing = Task {
            try await socket.write(data)
            isWritten.withLock { $0 = true }
            try await socket.finishWriting()
        }
        // The kernel has room for a part of it alone, so the writer can't be done before the other side reads.
        try await until { socket.core.waitingWrites == (1, true) }
        #expect(!isWritten.withLock { $0 })
        #expect(socket.bufferedAmount > 0)
        peer.tell()
        let line = try await peer.line()
        #expect(line["bytes"] == .number(data.readableBytes) && line["sha256"] == .text(data.sha256))
        try await writing.value
        #expect(socket.bufferedAmount == 0)
        try await socket.close()
    }

    @Test("A write that has not begun is withdrawn when its task is cancelled; one that has goes whole")
    func cancelledWrites() async throws {
        let peer = try PythonPeer("late_sink")
        let socket = try TCPSocket.connect("127.0.0.1", try await peer.port(), options: .small)
        let data = ByteBuffer.noise(4 * 1_024 * 1_024)
        let first = Task { try await socket.write(data) }
        try await until { socket.core.waitingWrites == (1, true) }
        let second = Task { try await socket.write(ByteBuffer(string: "never")) }
        try await until { socket.core.waitingWrites == (2, true) }
        second.cancel()
        await #expect(throws: SocketError(.cancelled, "")) { try await second.value }
        #expect(socket.core.waitingWrites.count == 1)
        first.cancel()
        await #expect(throws: SocketError(.cancelled, "")) { try await first.value }
        peer.tell()
        try await socket.close()
        #expect(try await peer.line()["sha256"] == .text(data.sha256))
    }

    @Test("Suspended, nothing more leaves the kernel: the other side is blocked, and afterwards nothing is missing")
    func suspended() async throws {
        let peer = try PythonPeer("blocked", "\(8 * 1_024 * 1_024)")
        let socket = try TCPSocket.connect("127.0.0.1", try await peer.port(), options: .small)
        _ = try await socket.opened
        socket.suspend()
        socket.suspend()
        let reading = Task { try await socket.hashToEnd() }
        #expect(try await peer.number("blocked") > 0)
        #expect(socket.core.readAheadBytes <= 2 * SocketLimits.readAhead)
        socket.resume()
        let hash = try await peer.text("sent")
        #expect(try await reading.value == hash)
        try await socket.close()
    }

    @Test("The end is not told while suspended")
    func suspendedEnd() async throws {
        let peer = try PythonPeer("fin", "5")
        let socket = try TCPSocket.connect("127.0.0.1", try await peer.port())
        socket.suspend()
        _ = try await peer.text("sent")
        let isOver = Mutex(false)
        let reading = Task {
            defer { isOver.withLock { $0 = true } }
            return try await socket.read()
        }
        try await Task.sleep(for: .milliseconds(300))
        #expect(!isOver.withLock { $0 })
        socket.resume()
        #expect(try await reading.value?.readableBytes == 5)
        #expect(try await socket.read() == nil)
        try await socket.close()
    }

    @Test("Who sends single bytes to somebody who doesn't read holds single bytes")
    func singleBytes() async throws {
        let peer = try PythonPeer("pieces", "1", "1", "1")
        let socket = try TCPSocket.connect("127.0.0.1", try await peer.port())
        _ = try await socket.opened
        for count in 1...3 {
            peer.tell()
            try await until { socket.core.readAheadBytes >= count }
        }
        #expect(try await socket.read() == ByteBuffer(string: "xxx"))
        peer.tell()
        #expect(try await socket.read() == nil)
    }

    @Test("What is read in small pieces is not held while more comes")
    func readPieces() {
        var queue = CircularBuffer<ByteBuffer>()
        for _ in 0..<10_000 {
            TCPSocketCore.append(ByteBuffer(repeating: 1, count: 100), to: &queue)
            guard var first = queue.popFirst() else { break }
            first.moveReaderIndex(forwardBy: first.readableBytes - 1)
            queue.prepend(first)
        }
        #expect(queue.count == 1)
        #expect(queue.first?.readableBytes == 1)
        #expect((queue.first?.storageCapacity ?? 0) <= 4_096)
    }

    // MARK: Ending

    @Test("Half-closing alone: an echo of everything, until the end of it")
    func halfClose() async throws {
        let peer = try PythonPeer("echo")
        let socket = try TCPSocket.connect("127.0.0.1", try await peer.port())
        let data = ByteBuffer.noise(2 * 1_024 * 1_024)
        async let sending: Void = {
            try await socket.write(data)
            try await socket.finishWriting()
        }()
        #expect(try await socket.hashToEnd() == data.sha256)
        try await sending
        await #expect(throws: SocketError(.closed, "")) { try await socket.write(ByteBuffer(string: "more")) }
        // Both have finished, so it is over, without a close.
        try await socket.closed
        #expect(socket.readyState == .closed)
    }

    @Test("Closing sends what is queued to a slow reader, whole, and refuses more")
    func closeDrains() async throws {
        let peer = try PythonPeer("sink", "0.0005")
        let socket = try TCPSocket.connect("127.0.0.1", try await peer.port(), options: .small)
        let data = ByteBuffer.noise(4 * 1_024 * 1_024)
        async let writing: Void = socket.write(data)
        try await until { socket.bufferedAmount > 0 }
        async let closing: Void = socket.close()
        try await until { socket.readyState == .closing }
        await #expect(throws: SocketError(.closed, "")) { try await socket.write(ByteBuffer(string: "more")) }
        try await writing
        try await closing
        try await socket.close()
        #expect(socket.readyState == .closed)
        let line = try await peer.line()
        #expect(line["end"] == .text("eof") && line["sha256"] == .text(data.sha256))
    }

    @Test("After a close reading goes on until the other side's end")
    func readsAfterClose() async throws {
        let peer = try PythonPeer("echo")
        let socket = try TCPSocket.connect("127.0.0.1", try await peer.port())
        let data = ByteBuffer.noise(1_024 * 1_024)
        async let reading = socket.hashToEnd()
        try await socket.write(data)
        try await socket.close()
        #expect(try await reading == data.sha256)
    }

    @Test("Who takes nothing for the whole drain limit is reset, and everybody hears so")
    func drainLimit() async throws {
        let peer = try PythonPeer("late_sink")
        var options = TCPOptions.small
        options.drainTimeout = .milliseconds(400)
        let socket = try TCPSocket.connect("127.0.0.1", try await peer.port(), options: options)
        let writing = Task { try await socket.write(ByteBuffer(repeating: 1, count: 8 * 1_024 * 1_024)) }
        try await until { socket.bufferedAmount > 0 }
        await #expect(throws: SocketError(.timedOut, "")) { try await socket.close() }
        await #expect(throws: SocketError(.timedOut, "")) { try await socket.closed }
        await #expect(throws: SocketError(.timedOut, "")) { try await socket.close() }
        await #expect(throws: SocketError(.timedOut, "")) { try await writing.value }
        peer.tell()
        #expect(try await peer.line()["end"] == .text("reset"))
    }

    @Test("Who never finishes after a close is reset as well")
    func neverFinishes() async throws {
        let peer = try PythonPeer("hold")
        var options = TCPOptions()
        options.drainTimeout = .milliseconds(400)
        let socket = try TCPSocket.connect("127.0.0.1", try await peer.port(), options: options)
        _ = try await socket.opened
        await #expect(throws: SocketError(.timedOut, "")) { try await socket.close() }
    }

    @Test("Closing at once drops what is queued: the other side sees a reset, and who waits here hears that it was closed")
    func closeImmediately() async throws {
        let peer = try PythonPeer("late_sink")
        let socket = try TCPSocket.connect("127.0.0.1", try await peer.port(), options: .small)
        let writing = Task { try await socket.write(ByteBuffer(repeating: 1, count: 8 * 1_024 * 1_024)) }
        let reading = Task { try await socket.read() }
        try await until { socket.bufferedAmount > 0 }
        _ = try await socket.opened
        socket.closeImmediately()
        #expect(socket.readyState >= .closing && socket.bufferedAmount == 0)
        await #expect(throws: SocketError(.closed, "")) { try await writing.value }
        await #expect(throws: SocketError(.closed, "")) { _ = try await reading.value }
        await #expect(throws: SocketError(.closed, "")) { _ = try await socket.read() }
        try await socket.closed
        #expect(socket.readyState == .closed)
        peer.tell()
        #expect(try await peer.line()["end"] == .text("reset"))
    }

    @Test("Closing at once with unread bytes is a reset; with nothing left over it is an ordinary end")
    func closeImmediatelyUnread() async throws {
        let unread = try PythonPeer("fin", "1000")
        let first = try TCPSocket.connect("127.0.0.1", try await unread.port())
        _ = try await unread.text("sent")
        _ = try await first.opened
        try await until { first.core.readAheadBytes >= 1_000 }
        first.closeImmediately()
        #expect(try await unread.line()["end"] == .text("reset"))
        let idle = try PythonPeer("hold")
        let second = try TCPSocket.connect("127.0.0.1", try await idle.port())
        _ = try await second.opened
        _ = try await idle.line()
        second.closeImmediately()
        try await second.closed
        idle.tell()
        #expect(try await idle.line()["end"] == .text("eof"))
    }

    @Test("A socket that nobody has any more is closed")
    func abandoned() async throws {
        let peer = try PythonPeer("hold")
        let port = try await peer.port()
        do {
            let socket = try TCPSocket.connect("127.0.0.1", port)
            _ = try await socket.opened
        }
        _ = try await peer.line()
        peer.tell()
        #expect(try await peer.line()["end"] == .text("eof"))
    }

    @Test("States come in order, never back")
    func states() async throws {
        let peer = try PythonPeer("sink", "0.001")
        let socket = try TCPSocket.connect("127.0.0.1", try await peer.port(), options: .small)
        let watching = Task.detached {
            var seen = [socket.readyState]
            while seen.last != .closed {
                let state = socket.readyState
                if state != seen.last { seen.append(state) }
                await Task.yield()
            }
            return seen
        }
        _ = try await socket.opened
        async let writing: Void = socket.write(ByteBuffer(repeating: 1, count: 4 * 1_024 * 1_024))
        try await until { socket.bufferedAmount > 0 }
        try await socket.close()
        try await writing
        let seen = await watching.value
        #expect(seen == seen.sorted() && seen.suffix(3) == [.open, .closing, .closed])
    }

    // MARK: Options

    @Test("Options reach the kernel")
    func options() async throws {
        let peer = try PythonPeer("hold")
        var options = TCPOptions()
        options.noDelay = false
        options.keepAliveDelay = .seconds(7)
        options.sendBufferSize = 32_768
        let socket = try TCPSocket.connect("127.0.0.1", try await peer.port(), options: options)
        _ = try await socket.opened
        let channel = try #require(socket.core.channel)
        for setting in options.settings where setting.option.optionName != .so_sndbuf {
            let value = try await channel.getOption(setting.option).get()
            #expect((value == 0) == (setting.value == 0), "\(setting)")
            if setting.value > 1 { #expect(value == setting.value, "\(setting)") }
        }
        let size = try await channel.getOption(.socketOption(.so_sndbuf)).get()
        // Linux doubles it for its own accounts.
        #expect((32_768...65_536).contains(size))
        #expect(options.settings.count >= 5)
        #expect(TCPOptions().settings.contains { $0.option.optionName == .tcp_nodelay && $0.value == 1 })
    }
}
