import Testing

@testable import P2PTool

@Suite("Sizes on the command line")
struct ByteSizeTests {
    @Test(
        "Bytes, binary and decimal units",
        arguments: [
            ("0", 0), ("4096", 4_096), ("1B", 1), ("1KiB", 1_024), ("256MiB", 268_435_456), ("2GiB", 2_147_483_648), ("1kB", 1_000),
            ("3MB", 3_000_000), ("1GB", 1_000_000_000), ("1TiB", 1_099_511_627_776), ("10 mib", 10_485_760),
            ("18446744073709551615", UInt64.max),
        ])
    func parses(text: String, bytes: UInt64) {
        #expect(ByteSize(argument: text)?.bytes == bytes)
    }

    @Test(
        "Anything else is refused",
        arguments: ["", "MiB", "-1", "1.5GiB", "1 PiB", "0x10", "1MiBs", "18446744073709551616", "18446744073709551615KiB", "٣", "1e6"])
    func refuses(text: String) {
        #expect(ByteSize(argument: text) == nil)
    }

    @Test("Parts differ by one byte at most and add up")
    func splits() {
        #expect(ByteSize(10).split(into: 3) == [4, 3, 3])
        #expect(ByteSize(1).split(into: 3) == [1, 0, 0])
        #expect(ByteSize(.max).split(into: 2) == [9_223_372_036_854_775_808, 9_223_372_036_854_775_807])
    }
}
