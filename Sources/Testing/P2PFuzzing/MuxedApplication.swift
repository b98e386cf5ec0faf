import NIOCore
import NIOEmbedded
import P2PCore
import P2PMuxing

/// The application at one end of a multiplexed connection, driven from one thread: the streams that it holds, and what it does with them.
class MuxedApplication {
    /// A stream as its application knows it.
    struct Held {
        let stream: PeerStream
        /// Its number on the wire, once it has had one.
        var number: UInt64?
        /// Bytes are known by their place.
        var written = 0
        var read = 0
        var hasFinished = false
        var hasEnded = false
        /// It was reset, failed or stopped, on this side or by the other.
        var isBroken = false
    }

    let loop: EmbeddedEventLoop
    private let connection: any MuxedConnection
    private let executor: EventLoopTaskExecutor
    var held: [Held] = []
    /// Streams that the application dropped; their fate is not followed. What was written to them may still open them.
    private var letGo: [(stream: MuxedStream, number: UInt64?)] = []

    init(_ connection: any MuxedConnection, executor: EventLoopTaskExecutor, loop: EmbeddedEventLoop) {
        self.connection = connection
        self.executor = executor
        self.loop = loop
    }

    /// Asks for the numbers of streams that may have got one.
    func noteNumbers() {
        guard let handler = (self.connection as? MuxerConnection)?.handler else { return }
        for index in self.held.indices where self.held[index].number == nil {
            self.held[index].number = handler.number(of: self.held[index].stream.muxed)
        }
        for index in self.letGo.indices where self.letGo[index].number == nil {
            self.letGo[index].number = handler.number(of: self.letGo[index].stream)
        }
    }

    /// The numbers of the streams that the application dropped.
    var dropped: Set<UInt64> { Set(self.letGo.compactMap(\.number)) }
    var streamCount: Int { self.connection.traffic.streams }

    func open() {
        nonisolated(unsafe) var opened: PeerStream?
        let connection = self.connection
        Task(executorPreference: self.executor) { opened = try? await connection.openStream() }
        self.loop.run()
        if let opened { self.held.append(Held(stream: opened)) }
    }

    /// Takes the streams that the peer opened.
    func accept() {
        for stream in self.connection.inboundStreams.backlog.takeAll() { self.held.append(Held(stream: stream)) }
        self.noteNumbers()
    }

    func write(_ count: Int, to index: Int) {
        guard self.held.indices.contains(index) else { return }
        let from = self.held[index].written
        let count = min(count, FuzzPattern.maximumCount)
        let bytes = FuzzPattern.bytes(at: from, count: count)
        switch self.held[index].stream.muxed.tryWrite(bytes) {
        case .buffered: self.held[index].written += count
        case .wait: self.held[index].written += count
        case .failed(let error):
            precondition(self.held[index].hasFinished || error.code != .finished)
            if !self.held[index].hasFinished { self.held[index].isBroken = true }
        }
    }

    /// Reads once; whether there was anything.
    @discardableResult
    func read(_ limit: Int, from index: Int, isChecked: Bool) -> Bool {
        guard self.held.indices.contains(index) else { return false }
        switch self.held[index].stream.muxed.tryRead(upTo: limit) {
        case .bytes(let bytes):
            precondition(bytes.readableBytes > 0 && bytes.readableBytes <= limit)
            if isChecked {
                precondition(FuzzPattern.isPattern(bytes, at: self.held[index].read), "bytes are lost, or come twice")
            }
            self.held[index].read += bytes.readableBytes
            return true
        case .end: self.held[index].hasEnded = true
        case .wait: precondition(!self.held[index].hasEnded)
        case .failed: self.held[index].isBroken = true
        }
        return false
    }

    func finish(_ index: Int) {
        guard self.held.indices.contains(index) else { return }
        if case .failed = self.held[index].stream.muxed.tryFinish() { self.held[index].isBroken = true }
        self.held[index].hasFinished = true
    }

    /// Stops reading, resets, or lets go.
    func end(_ index: Int, _ choice: UInt8) {
        guard self.held.indices.contains(index) else { return }
        self.held[index].isBroken = true
        switch choice % 3 {
        case 0: self.held[index].stream.stopReading()
        case 1: self.held[index].stream.reset(.cancelled)
        default:
            let held = self.held.remove(at: index)
            self.letGo.append((held.stream.muxed, held.number))
        }
    }

    /// Checks that nothing waits for the connection, which is gone, and lets go of every stream.
    func checkOver() {
        precondition(self.streamCount == 0, "\(self.streamCount) streams without a connection")
        for held in self.held {
            while case .bytes = held.stream.muxed.tryRead(upTo: .max) {}
            if case .wait = held.stream.muxed.tryRead(upTo: 1) { preconditionFailure("a stream waits for a connection that is gone") }
            if case .wait = held.stream.muxed.tryFinish() { preconditionFailure("a half-close waits for a connection that is gone") }
        }
        self.held = []
        self.letGo = []
    }
}
