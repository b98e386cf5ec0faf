import NIOCore
import Synchronization
import Testing

@testable import P2PCore

@Suite("What observers of a host are told")
struct ObservationTests {
    /// Writes down what it is told, and how it is nested.
    private final class Diary: HostObserver {
        struct Entry: WorkObserver {
            let diary: Diary
            let name: String

            func ended(_ outcome: WorkOutcome) {
                switch outcome {
                case .done: self.diary.note("\(self.name) done")
                case .connected: self.diary.note("\(self.name) connected")
                case .failed(let error): self.diary.note("\(self.name) \(error is CancellationError ? "abandoned" : "failed")")
                }
            }

            func perform(_ body: () async throws -> Void) async throws {
                self.diary.note("\(self.name) in")
                try await body()
                self.diary.note("\(self.name) out")
            }
        }

        let lines = Mutex<[String]>([])
        let isDeaf: Bool

        init(isDeaf: Bool = false) { self.isDeaf = isDeaf }

        func note(_ line: String) { self.lines.withLock { $0.append(line) } }
        var all: [String] { self.lines.withLock { $0 } }

        func began(_ work: HostWork, within parent: (any WorkObserver)?) -> (any WorkObserver)? {
            guard !self.isDeaf else { return nil }
            let name =
                switch work {
                case .dial: "dial"
                case .step(let step): "\((parent as? Entry)?.name ?? "nothing")/\(step)"
                default: "work"
                }
            self.note("\(name) began")
            return Entry(diary: self, name: name)
        }

        func connected(_ connection: ConnectionInfo) {}
        func disconnected(_ connection: ConnectionInfo, reason: ConnectionError, traffic: ConnectionTraffic) {}
    }

    @Test("With nobody nothing is made, and what would be done is done")
    func nobody() async {
        let observation = HostObservers().begin(.dial(nil))
        #expect(observation == nil)
        let seen = await observation.whileCurrent { Observation.current == nil }
        #expect(seen)
    }

    @Test("Each is told of its own part, of its parent, and once of the end")
    func parts() {
        let (one, deaf, other) = (Diary(), Diary(isDeaf: true), Diary())
        let observers = HostObservers([one, deaf, other])
        let dial = observers.begin(.dial(nil))
        let step = dial?.begin(.step(.connecting))
        step.end(.done)
        step.end(.failed(StreamError(.reset, "too late")))
        dial.end(.failed(DialError(.noAddresses, "none")))
        let lines = ["dial began", "dial/connecting began", "dial/connecting done", "dial failed"]
        #expect(one.all == lines)
        #expect(other.all == lines)
        #expect(deaf.all.isEmpty)
    }

    @Test("What is let go of was cancelled")
    func abandoned() {
        let diary = Diary()
        var observation = HostObservers([diary]).begin(.dial(nil))
        #expect(observation != nil)
        observation = nil
        #expect(diary.all == ["dial began", "dial abandoned"])
    }

    @Test("The application's part runs within that of every observer, once")
    func performing() async throws {
        let (one, deaf, other) = (Diary(), Diary(isDeaf: true), Diary())
        let observation = try #require(HostObservers([one, deaf, other]).begin(.dial(nil)))
        let count = Counter()
        try await observation.perform { count.increment() }
        #expect(count.value == 1)
        #expect(one.all == ["dial began", "dial in", "dial out"])
        #expect(other.all == one.all)
        await #expect(throws: StreamError.self) { try await observation.perform { throw StreamError(.reset, "so it is") } }
    }

    @Test("A part of the work finds what it is part of, in child tasks as well")
    func current() async {
        let observation = HostObservers([Diary()]).begin(.dial(nil))
        let isFound = await observation.whileCurrent {
            await withTaskGroup(of: Bool.self) { group in
                group.addTask { Observation.current === observation }
                return await group.next() ?? false
            }
        }
        #expect(isFound)
        #expect(Observation.current == nil)
    }
}

@Suite("Bytes of protocols")
struct ProtocolTrafficTests {
    private let muxer = FakeMuxer()
    private let traffic = ProtocolTraffic()

    private var count: ProtocolCount { self.traffic.count(of: "/test") }

    @Test("What the application reads and writes counts, at the end to the byte")
    func exact() async throws {
        var (stream, muxed): (PeerStream?, MuxedStream) = self.muxer.stream()
        muxed.receive("before it is counted")
        _ = try await stream?.readBytes()
        muxed.count(for: self.traffic, isServed: true)
        #expect(self.count == ProtocolCount(name: "/test", served: 1, servedNow: 1))
        muxed.receive("seven..")
        _ = try await stream?.readBytes()
        try await stream?.write(text: "five.")
        muxed.receive("never read")
        #expect(self.count.bytesIn == 0, "less than a quantum waits")
        stream = nil
        #expect(self.count == ProtocolCount(name: "/test", served: 1, bytesIn: 7, bytesOut: 5))
        withExtendedLifetime(muxed) {}
    }

    @Test("A stream that lives tells of its bytes in quanta")
    func quanta() async throws {
        let (stream, muxed) = self.muxer.stream()
        muxed.count(for: self.traffic, isServed: false)
        #expect(self.count == ProtocolCount(name: "/test", opened: 1, openNow: 1))
        try await stream.write(ByteBuffer(repeating: 1, count: StreamMeter.quantum - 1))
        #expect(self.count.bytesOut == 0)
        try await stream.write(text: "1")
        #expect(self.count.bytesOut == UInt64(StreamMeter.quantum))
        withExtendedLifetime(stream) {}
    }

    @Test("What is put back and read again counts once")
    func unread() async throws {
        var (stream, muxed): (PeerStream?, MuxedStream) = self.muxer.stream()
        muxed.count(for: self.traffic, isServed: false)
        muxed.receive("twelve bytes")
        let bytes = try #require(try await stream?.read())
        muxed.unread(bytes)
        // Other bytes are told of meanwhile, and what is owed stays owed.
        try await stream?.write(ByteBuffer(repeating: 1, count: StreamMeter.quantum))
        _ = try await stream?.read(upTo: 5)
        _ = try await stream?.read()
        stream = nil
        #expect(self.count.bytesIn == 12)
        withExtendedLifetime(muxed) {}
    }

    @Test("Protocols are told apart up to a number")
    func bounded() {
        let table = ProtocolTrafficTable()
        for number in 0..<(ProtocolTrafficTable.limit + 50) { _ = table.traffic(of: ProtocolID("/p/\(number)")) }
        #expect(table.traffic(of: "/p/0") === table.traffic(of: "/p/0"))
        #expect(table.traffic(of: "/p/299") === table.traffic(of: "/p/300"))
        #expect(table.counts.count == ProtocolTrafficTable.limit + 1)
        #expect(table.counts.last?.name == ProtocolTrafficTable.rest)
    }
}
