// Package edoc knows what an official document looks like when it travels as
// mail: number and symbol, document types, the subject grammar, X-VB-*
// headers, edXML packages and status messages, and the marks of state
// secrets.
//
// The package is pure: it reads what it is given, keeps no state, and opens a
// file only when it is an edXML package. Every parser of foreign bytes runs
// in time linear in its input, never panics, and is fuzzed.
//
// Rules come from Nghị định 30/2020/NĐ-CP (types, numbers, symbols), QCVN
// 102:2016/BTTTT (edXML) and Luật Bảo vệ bí mật nhà nước 117/2025/QH15.
package edoc
