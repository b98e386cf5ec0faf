import Logging
import NIOCore
import NIOEmbedded
import Testing

@testable import P2PTCP

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#endif

@Suite("Accepting without file descriptors")
struct AcceptBackoffTests {
    private let errors = AcceptErrors()

    @Test("The listener rests for 250 ms, then accepts again", arguments: [EMFILE, ENFILE, ENOBUFS, ENOMEM])
    func rests(errno: CInt) throws {
        let channel = EmbeddedChannel()
        try channel.pipeline.syncOperations.addHandler(
            AcceptBackoff(logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, errors: self.errors))
        channel.pipeline.fireErrorCaught(IOError(errnoCode: errno, reason: "accept"))
        channel.pipeline.fireErrorCaught(IOError(errnoCode: errno, reason: "accept"))
        #expect(channel.autoReads == [false])
        channel.embeddedEventLoop.advanceTime(by: .milliseconds(249))
        #expect(channel.autoReads == [false])
        channel.embeddedEventLoop.advanceTime(by: .milliseconds(1))
        #expect(channel.autoReads == [true])
        try channel.throwIfErrorCaught()
        _ = try channel.finish()
    }

    @Test("Any other error is passed on, and kept for whoever decides about the socket")
    func passesOn() throws {
        let channel = EmbeddedChannel()
        try channel.pipeline.syncOperations.addHandler(
            AcceptBackoff(logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, errors: self.errors))
        channel.pipeline.fireErrorCaught(IOError(errnoCode: EBADF, reason: "accept"))
        #expect(throws: IOError.self) { try channel.throwIfErrorCaught() }
        #expect(channel.autoReads.isEmpty)
        #expect((self.errors.take() as? IOError)?.errnoCode == EBADF)
        #expect(self.errors.take() == nil)
        _ = try? channel.finish()
    }
}

extension EmbeddedChannel {
    /// What autoRead was last set to, if it was.
    fileprivate var autoReads: [Bool] {
        self.options.compactMap { $0.option is ChannelOptions.Types.AutoReadOption ? $0.value as? Bool : nil }
    }
}
