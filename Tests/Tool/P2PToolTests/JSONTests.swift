import Testing

@testable import P2PTool

@Suite("JSON on standard output")
struct JSONTests {
    @Test("Members keep their order, on one line")
    func order() {
        var object: JSONObject = ["event": "x", "a": 1, "b": .array([true, .null, .object(["c": .unsigned(.max)])])]
        object.append("z", .rounded(0.30549, 3))
        #expect(object.description == #"{"event":"x","a":1,"b":[true,null,{"c":18446744073709551615}],"z":0.305}"#)
    }

    @Test(
        "Text can break neither the object nor a terminal",
        arguments: [
            (#"a"b\c"#, #""a\"b\\c""#), ("line\nfeed\r\ttab", #""line\nfeed\r\ttab""#), ("\u{0}\u{1b}[31m", #""\u0000\u001b[31m""#),
            ("\u{7f}\u{9b}", #""\u007f\u009b""#), ("\u{202e}\u{2028}\u{feff}", #""\u202e\u2028\ufeff""#), ("é 漢 🙂", "\"é 漢 🙂\""),
            ("\u{e0001}", #""\udb40\udc01""#),
        ])
    func escapes(text: String, json: String) {
        var written = ""
        JSONValue.string(text).write(to: &written)
        #expect(written == json)
    }

    @Test("Numbers are numbers")
    func numbers() {
        let values: [JSONValue] = [
            .number(.nan), .number(.infinity), .milliseconds(.microseconds(312)), .seconds(.milliseconds(1_500)), .rounded(2, 3),
            .integer(-7),
        ]
        let texts = values.map { value in
            var text = ""
            value.write(to: &text)
            return text
        }
        #expect(texts == ["null", "null", "0.312", "1.5", "2.0", "-7"])
    }
}
